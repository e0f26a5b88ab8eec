// The page: which view is shown, and when it is fetched again.

import {el, show} from './dom.js';
import * as api from './api.js';
import {asked, login} from './login.js';
import {error} from './parts.js';
import * as collections from './collections.js';
import * as endpoints from './endpoints.js';
import * as endpoint from './endpoint.js';
import * as dropped from './dropped.js';
import * as push from './push.js';

const refreshEvery = 4000; // ms

const main = document.getElementById('main');
const bar = document.getElementById('bar');
const status = document.getElementById('status');

const state = {
  me: null,
  proxy: '',
  route: null,
  shown: '', // what is on the screen, as text
  data: null,
  filter: '',
  open: new Map(),
  timer: 0,
  turn: 0, // counts routes, so that a late answer to an old one is dropped
};

// route reads the part of the address behind #.
function route() {
  const [kind, id, verb, url] = location.hash.replace(/^#\/?/, '').split('/');
  try {
    if (kind === 'c' && verb) {
      const to = decodeURIComponent(url || '');
      return {view: endpoint, load: () => endpoint.load(Number(id), verb, to), label: 'Filter parameters', title: `${verb} ${to}`};
    }
    if (kind === 'c') return {view: endpoints, load: () => endpoints.load(Number(id)), label: 'Filter endpoints: words of method, path, status', title: 'Endpoints'};
    if (kind === 'dropped') return {view: dropped, load: dropped.load, label: 'Filter rules and hosts', title: 'Left out'};
  } catch {
    // A torn address leads to the start.
  }
  return {view: collections, load: collections.load, label: 'Filter collections', title: 'Collections'};
}

function go() {
  state.route = route();
  state.shown = '';
  state.data = null;
  state.filter = '';
  state.open.clear();
  state.turn++;
  document.title = state.route.title + ' · Harken';
  frame();
  refresh();
}

// frame draws what stays while a view refreshes: the filter, so that typing is
// never disturbed, and the place of the content.
function frame() {
  const box = el('input', {
    type: 'search', id: 'filter', placeholder: state.route.label, 'aria-label': state.route.label, spellcheck: 'false', autocomplete: 'off',
    oninput: (ev) => {
      state.filter = ev.target.value.trim();
      draw();
    },
  });
  show(main, el('div', {class: 'tools'}, box), el('div', {id: 'view'}, el('p', {class: 'dim'}, 'Loading …')));
}

function draw() {
  const place = document.getElementById('view');
  if (place && state.data) show(place, state.route.view.view(state.data, state.filter, state));
}

async function refresh() {
  clearTimeout(state.timer);
  const turn = state.turn;
  if (!document.hidden) {
    try {
      const data = await state.route.load();
      if (turn !== state.turn) return;
      const text = JSON.stringify(data);
      if (text !== state.shown || Date.now() - state.drawn > 60_000) { // times age even when nothing happens
        state.shown = text;
        state.data = data;
        state.drawn = Date.now();
        draw();
      }
      say('');
    } catch (e) {
      if (turn !== state.turn) return;
      if (e.status === 403 && !(await signedIn())) {
        signIn('Your session has ended.');
        return;
      }
      if (turn !== state.turn) return;
      if (state.data) say(e.message);
      else show(document.getElementById('view'), error(e.message), el('p', {}, el('a', {href: '#/'}, 'To the collections')));
    }
  }
  if (turn === state.turn) state.timer = setTimeout(refresh, refreshEvery);
}

function say(text) {
  if (status.textContent !== text) status.textContent = text;
}

async function signedIn() {
  try {
    state.me = await api.call('me');
    return true;
  } catch (e) {
    return e.status !== 403;
  }
}

function signIn(message) {
  state.turn++;
  clearTimeout(state.timer);
  bar.hidden = true;
  document.title = 'Sign in · Harken';
  login(main, message, start);
}

async function signOut() {
  try {
    await api.call('logout');
  } catch {
    // The session is gone either way, or the server is.
  }
  state.me = null;
  signIn('');
}

// importFile sends a HAR into a collection that has the file's name.
async function importFile(ev) {
  const input = ev.target;
  const file = input.files[0];
  if (!file) return;
  const name = file.name.replace(/\.har$/i, '').replace(/[^A-Za-z0-9._ -]/g, '-').slice(0, 60) || 'upload';
  say(`Uploading ${file.name} …`);
  input.disabled = true;
  try {
    const r = await api.upload(file, name);
    const lines = r.harErrors || [];
    const target = '#/c/' + r.apiCollectionId;
    if (location.hash === target) go();
    else location.hash = target;
    toast(lines.length ? `${file.name} is in, with ${lines.length} problem${lines.length > 1 ? 's' : ''}: ${lines.slice(0, 3).join(' · ')}` : `${file.name} is in.`);
  } catch (e) {
    toast(`${file.name} was not taken: ${e.message}`);
  } finally {
    input.disabled = false;
    input.value = '';
    say('');
  }
}

function toast(text) {
  document.querySelectorAll('.toast').forEach((t) => t.remove());
  const t = el('div', {class: 'toast', role: 'status'}, el('span', {}, text),
    el('button', {type: 'button', 'aria-label': 'Dismiss', onclick: () => t.remove()}, '×'));
  document.body.append(t);
}

function drawBar() {
  const file = el('input', {type: 'file', id: 'har', accept: '.har,application/json', class: 'hidden', onchange: importFile});
  show(bar,
    el('a', {class: 'brand', href: '#/'}, el('img', {src: '/ui/icon.svg', alt: '', width: 26, height: 26}), 'Harken'),
    el('nav', {'aria-label': 'Actions'},
      state.proxy ? el('span', {class: 'proxy', title: 'Address of the proxy that records'}, 'proxy ', el('code', {}, state.proxy)) : null,
      el('a', {class: 'button', href: '#/dropped'}, 'Left out'),
      el('a', {class: 'button', href: '/ca/'}, 'Certificate'),
      el('a', {class: 'button', href: '/docs'}, 'API'),
      el('a', {class: 'button', href: api.harURL(), download: true}, 'Download HAR'),
      file, el('button', {type: 'button', onclick: () => file.click()}, 'Upload HAR'),
      el('span', {class: 'who', title: state.me.role}, state.me.username),
      push.button(state.me),
      el('button', {type: 'button', class: 'quiet', onclick: signOut}, 'Sign out')));
  bar.hidden = false;
}

async function start() {
  if (asked() || !(await signedIn())) {
    signIn('');
    return;
  }
  if (!state.me) {
    show(main, error('Harken does not answer. Is it still running?'));
    state.timer = setTimeout(start, refreshEvery);
    return;
  }
  state.proxy = (await api.health()).proxy || '';
  drawBar();
  go();
}

addEventListener('hashchange', () => {
  if (state.me) go();
});
document.addEventListener('visibilitychange', () => {
  if (!document.hidden && state.me && state.route) refresh();
});
addEventListener('keydown', (ev) => {
  const box = document.getElementById('filter');
  if (ev.key === '/' && box && !/^(INPUT|TEXTAREA)$/.test(document.activeElement.tagName)) {
    ev.preventDefault();
    box.focus();
  }
});
start();
