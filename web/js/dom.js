// The view layer: Preact, with templates instead of a compiler. Text always becomes a text node, never markup.

import htm from '../vendor/htm.js';
import { Component, createRef, h, render } from '../vendor/preact.js';

export const html = htm.bind(h);
export { Component, createRef, render };
