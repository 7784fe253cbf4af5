// Keeps a view that throws from taking the rest of the page with it.

import { Component } from '../dom.js';

/** Shows its children; once one of them has thrown it shows `fallback` until `of` is another value. */
export class Boundary extends Component {
  state = { broken: null };

  componentDidCatch(error) {
    console.error('A view failed:', error);
    this.setState({ broken: { of: this.props.of } });
  }

  render({ of, fallback, children }, { broken }) {
    return broken?.of === of && broken ? fallback : children;
  }
}
