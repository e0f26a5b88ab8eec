import {el} from './dom.js';
import * as api from './api.js';
import * as changes from './changes.js';
import {ago, count, when} from './format.js';
import {badge, cells, code, crumbs, method, stat, table, template} from './parts.js';

const columns = [['Method', 'fit'], ['Endpoint', 'path'], ['Exchanges', 'num'], ['Last seen', 'num'], ['Responses', 'wrap'], ['Authentication', 'wrap'], ['Access', 'wrap'], ['', 'act']];

// At most this many rows are drawn; the filter finds the others.
const maxRows = 500;

export async function load(id) {
  const [{apiCollections}, infos, news] = await Promise.all([
    api.call('getAllCollections'),
    api.call('fetchApiInfosForCollection', {apiCollectionId: id}),
    changes.load(id),
  ]);
  const list = infos.apiInfoList.sort((a, b) => (a.id.url < b.id.url ? -1 : a.id.url > b.id.url ? 1 : a.id.method < b.id.method ? -1 : 1));
  return {collection: apiCollections.find((c) => c.id === id) || {id, displayName: String(id)}, list, redacted: infos.redacted, news};
}

export const endpointHref = (k) => `#/c/${k.apiCollectionId}/${k.method}/${encodeURIComponent(k.url)}`;

export function view(data, filter, ctx) {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  const rows = data.list.filter((e) => {
    const text = `${e.id.method} ${e.id.url} ${e.responseCodes.join(' ')} ${e.isSensitive ? 'sensitive' : ''} ${e.actualAuthType.join(' ')} ${e.apiAccessTypes.join(' ')}`.toLowerCase();
    return words.every((w) => text.includes(w));
  });
  const c = data.collection;
  return [
    crumbs(['Collections', '#/'], [c.displayName]),
    el('dl', {class: 'stats'},
      stat('Endpoints', count(data.list.length)),
      stat('Exchanges', count(data.list.reduce((n, e) => n + e.count, 0))),
      stat('With sensitive data', count(data.list.filter((e) => e.isSensitive).length)),
      stat('HAR', el('a', {href: api.harURL(c.id), download: true, 'data-key': 'har'}, 'Download'))),
    data.redacted ? el('p', {class: 'notice'}, 'Values of this collection are redacted.') : null,
    changes.view(data.news, endpointHref, ctx.open),
    rows.length ? table(columns, rows.slice(0, maxRows).map(row))
      : el('p', {class: 'notice'}, data.list.length ? 'No endpoint matches the filter.' : 'This collection has no endpoints yet.'),
    rows.length > maxRows ? el('p', {class: 'notice'}, `${count(rows.length - maxRows)} more: use the filter to narrow them down.`) : null,
  ];
}

function row(e) {
  const key = `${e.id.method} ${e.id.url}`;
  return el('tr', {}, cells(columns, [
    method(e.id.method),
    [el('a', {class: 'strong', href: endpointHref(e.id), 'data-key': key}, template(e.id.url)), e.isSensitive ? [' ', badge('sensitive', 'warn')] : null],
    count(e.count),
    el('time', {title: when(e.lastSeen)}, ago(e.lastSeen)),
    e.responseCodes.map((c) => [code(c), ' ']),
    e.actualAuthType.map((a) => [badge(a.toLowerCase().replaceAll('_', ' '), a === 'UNAUTHENTICATED' ? 'quiet' : ''), ' ']),
    e.apiAccessTypes.map((a) => [badge(a.toLowerCase().replaceAll('_', ' '), a === 'PUBLIC' ? '' : 'quiet'), ' ']),
    el('a', {href: api.harURL(e.id.apiCollectionId, e.id), download: true, 'data-key': 'h ' + key, 'aria-label': 'Download HAR of ' + key}, 'HAR'),
  ]));
}
