// Starts the operators' page; the address (#/users/12) names the view.

import { html, render } from '../dom.js';
import { language } from '../strings.js';
import { createAdmin } from './client.js';
import { t } from './strings.js';
import { App } from './views/app.js';

const root = document.getElementById('app');
const admin = createAdmin();
let drawn = false;

function follow() {
  const [name, id] = location.hash.slice(2).split('/');
  if (name === 'users' && Number(id)) admin.show({ name: 'user', id: Number(id) });
  else admin.show({ name: ['users', 'acts'].includes(name) ? name : 'overview' });
}

function draw() {
  drawn = false;
  render(html`<${App} state=${admin.store.state} actions=${admin.actions} />`, root);
}

function changed() {
  if (drawn) return;
  drawn = true;
  queueMicrotask(draw); // several changes in a row are rendered once
}

document.documentElement.lang = language;
document.title = `${t('title')} – imapp`;
admin.store.subscribe(changed);
addEventListener('hashchange', follow);
follow();
admin.resume();
draw();
