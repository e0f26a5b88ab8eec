import {el} from './dom.js';
import * as api from './api.js';
import {ago, count, when} from './format.js';
import {badge, cells, stat, table} from './parts.js';

// Exchanges are summed over endpoints, which are fetched only while there are
// this many of them; beyond that the numbers are on each collection's page.
const maxSummed = 2000;

const columns = [['Collection'], ['Environment'], ['Endpoints', 'num'], ['Exchanges', 'num'], ['Last seen', 'num'], ['', 'act']];

export async function load() {
  const {apiCollections} = await api.call('getAllCollections');
  const filled = apiCollections.filter((c) => c.urlsCount > 0 && !c.deactivated).slice(0, 300);
  let infos = {};
  const summed = filled.length > 0 && filled.reduce((n, c) => n + c.urlsCount, 0) <= maxSummed;
  if (summed) {
    infos = (await api.call('fetchApiInfosForCollection', {apiCollectionIds: filled.map((c) => c.id)})).apiInfoListByCollection || {};
  }
  const rows = apiCollections.map((c) => {
    const list = infos[c.id] || [];
    return {
      ...c, known: summed && !c.deactivated, traffic: list.reduce((n, e) => n + e.count, 0),
      seen: list.reduce((t, e) => Math.max(t, e.lastSeen), 0), sensitive: list.filter((e) => e.isSensitive).length,
    };
  });
  rows.sort((a, b) => b.seen - a.seen || b.urlsCount - a.urlsCount || a.displayName.localeCompare(b.displayName));
  return {rows, summed, empty: rows.every((c) => c.urlsCount === 0)};
}

export function view(data, filter, ctx) {
  if (data.empty) return welcome(data, ctx);
  const wanted = filter.toLowerCase();
  const rows = data.rows.filter((c) => c.displayName.toLowerCase().includes(wanted));
  const total = (f) => data.rows.reduce((n, c) => n + f(c), 0);
  return [
    el('dl', {class: 'stats'},
      stat('Collections', count(data.rows.filter((c) => c.urlsCount > 0).length)),
      stat('Endpoints', count(total((c) => c.urlsCount))),
      data.summed ? stat('Exchanges', count(total((c) => c.traffic))) : null,
      data.summed ? stat('With sensitive data', count(total((c) => c.sensitive))) : null),
    list(rows),
  ];
}

const environments = (c) => (c.envType || []).filter((t) => t.keyName === 'envType');

function list(rows) {
  if (!rows.length) return el('p', {class: 'notice'}, 'No collection matches the filter.');
  const named = rows.some((c) => environments(c).length);
  const shown = named ? columns : columns.filter(([title]) => title !== 'Environment');
  return table(shown, rows.map((c) => el('tr', {class: c.urlsCount ? '' : 'dim'}, cells(shown, [
    [el('a', {class: 'strong', href: '#/c/' + c.id, 'data-key': 'c' + c.id}, c.displayName || `Collection ${c.id}`),
      c.deactivated ? [' ', badge('deactivated')] : null, c.type ? [' ', badge('group')] : null],
    ...(named ? [environments(c).map((t) => badge(t.value.toLowerCase()))] : []),
    count(c.urlsCount),
    c.known ? count(c.traffic) : '–',
    c.known ? el('time', {title: when(c.seen)}, ago(c.seen)) : '–',
    el('a', {href: api.harURL(c.id), download: true, 'data-key': 'h' + c.id, 'aria-label': 'Download HAR of ' + c.displayName}, 'HAR'),
  ]))));
}

// welcome says what to do when nothing was recorded yet.
function welcome(data, ctx) {
  const proxy = ctx.proxy || '127.0.0.1:8080';
  const here = location.origin;
  return [
    el('section', {class: 'card welcome'},
      el('h2', {}, 'Nothing recorded yet'),
      el('p', {}, 'Harken listens as a proxy at ', el('code', {}, proxy), '. Send a request through it, and it appears here within seconds.'),
      el('pre', {tabindex: 0}, el('code', {},
        `curl -o harken-ca.pem ${here}/ca/harken-ca.pem\n`,
        `curl --proxy http://${proxy} --cacert harken-ca.pem https://example.com/\n`,
        `curl --proxy http://${proxy} http://example.com/`)),
      el('p', {}, 'Postman, browsers and other programs need the certificate once: ',
        el('a', {href: '/ca/'}, 'how to install it'), '. Or upload a HAR that another program wrote.')),
    list(data.rows),
  ];
}
