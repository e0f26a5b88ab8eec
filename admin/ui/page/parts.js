// Pieces that several views use.

import {el} from './dom.js';
import {statusClass} from './format.js';

export const method = (m) => el('span', {class: 'method m-' + m.toLowerCase()}, m);

export const code = (c) => el('span', {class: 'code ' + statusClass(c)}, c);

// template shows a URL with its placeholders marked.
export function template(url) {
  const parts = [];
  for (const seg of url.split('/')) {
    if (parts.length) parts.push(el('span', {class: 'slash'}, '/'), el('wbr'));
    if (/^(INTEGER|FLOAT|STRING|OBJECT_ID|VERSIONED|LOCALE)$/.test(seg)) parts.push(el('span', {class: 'hole'}, seg));
    else parts.push(seg);
  }
  return el('span', {class: 'url'}, parts);
}

export const badge = (text, kind) => el('span', {class: 'badge ' + (kind || '')}, text);

export const stat = (label, value) => el('div', {class: 'stat'}, el('dt', {}, label), el('dd', {}, value));

// error shows a message of the API as a sentence; a field's name keeps its case.
export const error = (message) => el('p', {class: 'notice bad', role: 'alert'}, message.replace(/^[a-z](?!\w*:)/, (c) => c.toUpperCase()));

export function crumbs(...items) {
  return el('nav', {'aria-label': 'Where you are'}, el('ol', {class: 'crumbs'}, items.map(([text, href]) =>
    el('li', {}, href ? el('a', {href, 'data-key': 'crumb ' + href}, text) : el('span', {'aria-current': 'page'}, text)))));
}

// table makes a table; a column is [title, class].
export function table(columns, rows) {
  return el('div', {class: 'scroll'}, el('table', {},
    el('thead', {}, el('tr', {}, columns.map(([title, cls]) => el('th', {scope: 'col', class: cls}, title)))),
    el('tbody', {}, rows)));
}

export const cells = (columns, values) => values.map((v, i) => el('td', {class: columns[i][1]}, v));
