import {el} from './dom.js';
import * as api from './api.js';
import {ago, count, headers, pretty, when} from './format.js';
import {badge, cells, code, crumbs, method, stat, table, template} from './parts.js';

const columns = [['Place', 'fit'], ['Name'], ['Type', 'fit'], ['Seen', 'num'], ['Values']];
const maxBody = 100_000; // characters of a body that are drawn

export async function load(id, verb, url) {
  const key = {apiCollectionId: id, method: verb, url};
  const [{apiCollections}, params, infos, samples] = await Promise.all([
    api.call('getAllCollections'),
    api.call('loadParamsOfEndpoint', key),
    api.call('fetchApiInfosForCollection', {apiCollectionId: id}),
    // Samples are closed to some roles, and the rest of the page is not.
    api.call('fetchSampleData', key).catch((e) => (e.status === 403 ? {denied: e.message} : Promise.reject(e))),
  ]);
  return {
    key, collection: apiCollections.find((c) => c.id === id) || {id, displayName: String(id)},
    info: infos.apiInfoList.find((e) => e.id.url === url && e.id.method === verb),
    params: params.data.params, denied: samples.denied,
    samples: (samples.sampleDataList || []).flatMap((d) => d.samples).reverse(),
  };
}

export function view(data, filter, ctx) {
  const {key, info, collection} = data;
  const wanted = filter.toLowerCase();
  const params = data.params.filter((p) => `${place(p)} ${p.param} ${p.subTypeString}`.toLowerCase().includes(wanted));
  const side = (title, list) => (list.length ? [el('h2', {}, title), table(columns, list.map(row))] : null);
  return [
    crumbs(['Collections', '#/'], [collection.displayName, '#/c/' + collection.id], [`${key.method} ${key.url}`]),
    el('h1', {class: 'endpoint'}, method(key.method), ' ', template(key.url)),
    info ? el('dl', {class: 'stats'},
      stat('Exchanges', count(info.count)),
      stat('Last seen', el('time', {title: when(info.lastSeen)}, ago(info.lastSeen))),
      stat('Discovered', el('time', {title: when(info.discoveredTimestamp)}, ago(info.discoveredTimestamp))),
      stat('Responses', info.responseCodes.map((c) => [code(c), ' '])),
      stat('Type', info.apiType || '–'),
      stat('HAR', el('a', {href: api.harURL(collection.id, key), download: true, 'data-key': 'har'}, 'Download'))) : null,
    info ? el('p', {class: 'facts'},
      info.actualAuthType.map((a) => badge(a.toLowerCase().replaceAll('_', ' '))),
      info.apiAccessTypes.map((a) => badge(a.toLowerCase().replaceAll('_', ' '), 'quiet')),
      info.origins.map((o) => badge(o, 'quiet'))) : null,
    side('Request', params.filter((p) => p.responseCode === -1)),
    [...new Set(params.map((p) => p.responseCode))].filter((c) => c !== -1).sort((a, b) => a - b)
      .map((c) => side(`Response ${c}`, params.filter((p) => p.responseCode === c))),
    params.length ? null : el('p', {class: 'notice'}, data.params.length ? 'No parameter matches the filter.' : 'No parameters were seen.'),
    el('h2', {}, 'Newest samples'),
    data.denied ? el('p', {class: 'notice'}, 'Your role does not show samples.')
      : data.samples.length ? data.samples.map((s, i) => sample(s, i === 0, ctx.open)) : el('p', {class: 'notice'}, 'No samples are kept.'),
  ];
}

const place = (p) => (p.isHeader ? 'header' : p.isUrlParam ? 'path' : p.isQueryParam ? 'query' : 'body');

function row(p) {
  const name = p.isUrlParam ? `segment ${Number(p.param) + 1}` : p.param.replaceAll('#$', '[]').replaceAll('#', '.');
  const values = p.values.elements.slice(0, 8);
  const range = p.domain === 'RANGE' ? `${p.minValue} … ${p.maxValue}` : p.domain === 'ANY' ? 'many values' : '';
  return el('tr', {}, cells(columns, [
    place(p),
    [el('code', {}, name), p.sensitive ? [' ', badge('sensitive', 'warn')] : null],
    el('span', {class: 'type'}, p.subTypeString.toLowerCase().replaceAll('_', ' ')),
    count(p.count),
    el('span', {class: 'values'}, values.map((v) => [el('code', {}, v === '' ? '(empty)' : v), ' ']),
      p.values.elements.length > values.length ? `and ${p.values.elements.length - values.length} more` : range),
  ]));
}

function sample(text, first, open) {
  let r = {};
  try {
    r = JSON.parse(text);
  } catch {
    return el('pre', {tabindex: 0}, text);
  }
  // What a person opened or closed stays so when the page refreshes.
  const isOpen = open.has(text) ? open.get(text) : first;
  return el('details', {class: 'sample card', open: isOpen, ontoggle: (ev) => open.set(text, ev.target.open)},
    el('summary', {'data-key': 'sample ' + text},
      method(r.method || '?'), ' ', code(r.statusCode || 0), ' ', el('span', {class: 'url'}, r.path || ''),
      el('time', {title: when(Number(r.time))}, ago(Number(r.time)))),
    el('div', {class: 'sides'},
      message('Request', r.requestHeaders, r.requestPayload),
      message('Response', r.responseHeaders, r.responsePayload)));
}

function message(title, head, body) {
  const text = pretty(body);
  return el('section', {},
    el('h3', {}, title),
    el('dl', {class: 'headers'}, headers(head).map(([k, v]) => [el('dt', {}, k), el('dd', {}, String(v))])),
    text ? el('pre', {tabindex: 0}, el('code', {}, text.slice(0, maxBody), text.length > maxBody ? '\n… cut here; the HAR has the rest' : ''))
      : el('p', {class: 'dim'}, 'No body.'));
}
