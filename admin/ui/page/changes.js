import {el} from './dom.js';
import * as api from './api.js';
import {ago, count, when} from './format.js';
import {badge, method, template} from './parts.js';

const days = 30;
const most = 50;

export async function load(id) {
  const startTimestamp = Math.floor(Date.now() / 1000) - days * 86400;
  return api.call('fetchChanges', {apiCollectionId: id, startTimestamp, limit: most});
}

// What kinds are called, for people.
const names = {
  'new-endpoint': 'endpoint', 'new-param': 'parameter', 'new-type': 'type', 'new-status': 'status', 'new-auth': 'authentication',
};

// view lists what was new in a collection, closed at first.
export function view(data, href, open) {
  if (!data.total) return null;
  const key = 'changes';
  return el('details', {class: 'card news', open: open.get(key), ontoggle: (ev) => open.set(key, ev.target.open)},
    el('summary', {'data-key': key}, `New in the last ${days} days: ${count(data.total)}`),
    el('ul', {}, data.changes.map((c) => el('li', {},
      el('time', {title: when(c.timestamp)}, ago(c.timestamp)), ' ',
      badge(names[c.kind] || c.kind), ' ', method(c.method), ' ',
      el('a', {href: href(c)}, template(c.url)), c.detail ? [' ', el('code', {}, c.detail)] : null))),
    data.total > data.changes.length ? el('p', {class: 'dim'}, `The latest ${count(data.changes.length)} are shown.`) : null);
}
