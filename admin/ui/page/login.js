import {el, show} from './dom.js';
import * as api from './api.js';
import {error} from './parts.js';

// login shows the form, and calls done after a sign-in.
export function login(main, message, done) {
  const failed = el('div', {'aria-live': 'assertive'});
  const email = el('input', {id: 'email', type: 'email', autocomplete: 'username', required: true});
  const password = el('input', {id: 'password', type: 'password', autocomplete: 'current-password', required: true});
  const button = el('button', {class: 'primary', type: 'submit'}, 'Sign in');
  async function submit(ev) {
    ev.preventDefault();
    button.disabled = true;
    show(failed);
    try {
      await api.login(email.value, password.value);
      done();
    } catch (e) {
      show(failed, error(e.message));
      password.value = '';
      password.focus();
    } finally {
      button.disabled = false;
    }
  }
  show(main, el('form', {class: 'login card', onsubmit: submit},
    el('img', {src: '/ui/icon.svg', alt: '', width: 44, height: 44}),
    el('h1', {}, 'Sign in to Harken'),
    el('p', {class: 'dim'}, 'The first start printed the e-mail address and the password, and wrote them to ',
      el('code', {class: 'nowrap'}, 'first-run.json'), ' in the data directory.'),
    message ? error(message) : null, failed,
    el('label', {for: 'email'}, 'E-mail'), email,
    el('label', {for: 'password'}, 'Password'), password,
    button));
  email.focus();
}
