// The view layer: Preact, with templates instead of a compiler. Text always becomes a text node, never markup.

import htm from '../vendor/htm.js';
import { Component, createRef, h, render } from '../vendor/preact.js';

export const html = htm.bind(h);
export { Component, createRef, render };

/** A view that is rendered again only when a property or a part of its own state changes. */
export class Pure extends Component {
  shouldComponentUpdate(props, state) {
    return differ(this.props, props) || differ(this.state ?? {}, state ?? {});
  }
}

function differ(one, other) {
  const names = Object.keys(other);
  return names.length !== Object.keys(one).length || names.some((name) => one[name] !== other[name]);
}
