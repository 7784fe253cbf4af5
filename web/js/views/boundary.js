// Contains the failure of a view, so that the rest of the page stays.

import { Component } from '../dom.js';

/** Shows its children; after one of them has thrown, shows `fallback` until `of` changes. */
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
