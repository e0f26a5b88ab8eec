// Notifications of this browser: only where the server has keys for them.

import {el} from './dom.js';
import * as api from './api.js';

// The policy of the page wants scripts named by a trusted type.
const scripts = window.trustedTypes && window.trustedTypes.createPolicy('harken-worker', {createScriptURL: () => '/ui/worker.js'});

function bytes(text) {
  const raw = atob(text.replaceAll('-', '+').replaceAll('_', '/'));
  return Uint8Array.from(raw, (c) => c.charCodeAt(0));
}

async function subscribe(key) {
  if ((await Notification.requestPermission()) !== 'granted') throw new Error('The browser does not allow notifications.');
  await navigator.serviceWorker.register(scripts ? scripts.createScriptURL('') : '/ui/worker.js');
  const worker = await active();
  const sub = await worker.pushManager.subscribe({userVisibleOnly: true, applicationServerKey: bytes(key)});
  await api.call('saveSubscription', {subscription: sub.toJSON()});
}

// active waits for the worker: the page is outside of its scope, so ready never comes.
async function active() {
  const worker = await navigator.serviceWorker.getRegistration('/ui/');
  const starting = worker.installing || worker.waiting;
  if (!worker.active && starting) {
    await new Promise((done) => starting.addEventListener('statechange', () => starting.state === 'activated' && done()));
  }
  return worker;
}

// button offers notifications; null where there can be none.
export function button(me) {
  if (!me.pushKey || me.subscription || !('serviceWorker' in navigator) || !('PushManager' in window)) return null;
  const b = el('button', {type: 'button', class: 'quiet', title: 'New sensitive parameters and failed jobs, as notifications of this browser'}, 'Notify me');
  b.addEventListener('click', async () => {
    b.disabled = true;
    try {
      await subscribe(me.pushKey);
      me.subscription = true;
      b.remove();
    } catch (err) {
      b.disabled = false;
      b.textContent = 'Notify me: ' + err.message;
    }
  });
  return b;
}
