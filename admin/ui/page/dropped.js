import {el} from './dom.js';
import * as api from './api.js';
import {ago, count, when} from './format.js';
import {cells, code, crumbs, method, stat, table} from './parts.js';

const columns = [['Rule', 'fit'], ['Host'], ['Records', 'num'], ['Last seen', 'num'], ['Latest example', 'wrap']];

// What rules are called, for people.
const names = {
  status: 'neither 2xx nor 302',
  ignored: 'asked to be ignored',
  options: 'OPTIONS',
  extension: 'static files',
  content_type: 'scripts and pictures sent',
  page: 'pages of HTML',
  default_payload: 'the default page of a host',
  header_allow_list: 'without an allowed header',
  host: 'hosts out of scope',
  path_prefix: 'denied paths',
  response_content_type: 'denied content types',
  advanced_block: 'blocked by a filter',
  advanced_unmatched: 'matched by no filter',
  rate_limit: 'beyond the rate of an endpoint',
  'collection-deleted': 'of a deleted collection',
};

export async function load() {
  return api.call('fetchDroppedTraffic');
}

export function view(data, filter) {
  const wanted = filter.toLowerCase();
  const rows = data.dropped.filter((d) => `${d.rule} ${d.host}`.toLowerCase().includes(wanted));
  const rules = Object.entries(data.rules).sort(([, a], [, b]) => b - a);
  return [
    crumbs(['Collections', '#/'], ['Left out']),
    el('p', {}, 'Records that a rule kept out of the inventory.'),
    rules.length ? el('dl', {class: 'stats'}, rules.map(([rule, n]) => stat(label(rule), count(n)))) : null,
    rows.length ? table(columns, rows.map(row))
      : el('p', {class: 'notice'}, data.dropped.length ? 'Nothing matches the filter.' : 'Nothing was left out.'),
  ];
}

const label = (rule) => names[rule] || rule.replaceAll(/[_-]/g, ' ');

function row(d) {
  return el('tr', {}, cells(columns, [
    el('span', {title: label(d.rule)}, d.rule),
    d.host || 'other hosts',
    count(d.count),
    el('time', {title: when(d.lastSeen)}, ago(d.lastSeen)),
    example(d.example),
  ]));
}

function example(e) {
  const request = e && e.request;
  if (!request) return '–';
  const status = e.response && e.response.status;
  return [method(request.method || '?'), ' ', status ? [code(status), ' '] : null, el('code', {}, request.url || '')];
}
