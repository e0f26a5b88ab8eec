import {el, show} from './dom.js';
import * as api from './api.js';
import {error} from './parts.js';

// form shows a card with fields and one button; submit takes the values, and an
// error of it is shown in the card. A secret field is emptied then.
function form(main, {title, text, message, fields, action, submit, more}) {
  const failed = el('div', {'aria-live': 'assertive'});
  const inputs = fields.map((f) => el('input', {required: true, ...f.input}));
  const button = el('button', {class: 'primary', type: 'submit'}, action);
  async function onsubmit(ev) {
    ev.preventDefault();
    button.disabled = true;
    show(failed);
    try {
      await submit(...inputs.map((i) => i.value));
    } catch (e) {
      show(failed, error(e.message));
      for (const i of inputs) if (i.type === 'password') i.value = '';
      inputs.at(-1).focus();
    } finally {
      button.disabled = false;
    }
  }
  show(main, el('form', {class: 'login card', onsubmit},
    el('img', {src: '/ui/icon.svg', alt: '', width: 44, height: 44}),
    el('h1', {}, title),
    text ? el('p', {class: 'dim'}, text) : null,
    message ? el('p', {class: 'notice', role: 'status'}, message) : null, failed,
    fields.flatMap((f, i) => [el('label', {for: f.input.id}, f.label), inputs[i]]),
    button, more || null));
  (inputs.find((i) => !i.value) || inputs[0]).focus();
}

const email = (value = '', readonly = false) => ({label: 'E-mail', input: {id: 'email', type: 'email', autocomplete: 'username', value, readOnly: readonly}});
const password = (label, kind) => ({label, input: {id: 'password', type: 'password', autocomplete: kind + '-password'}});
const rule = '8 to 39 characters, with at least one letter and one digit.';

// asked says whether the address is that of a link to a new password or of an
// invitation: it is followed also by who is signed in.
export function asked() {
  const q = new URLSearchParams(location.search);
  return location.pathname === '/login' && q.has('token') || location.pathname === '/signup' && q.has('signupInvitationCode');
}

// login shows what the address asks for: the form to sign in, to set a new
// password (/login?token=), or to accept an invitation (/signup). It calls done
// after a sign-in.
export function login(main, message, done) {
  const q = new URLSearchParams(location.search);
  if (asked() && q.has('token')) setPassword(main, q.get('token'), done);
  else if (asked()) accept(main, q, done);
  else signIn(main, message, done);
}

// leave takes the secret out of the address, and so out of the history.
const leave = () => history.replaceState(null, '', '/');

function signIn(main, message, done) {
  form(main, {
    title: 'Sign in to Harken', message, action: 'Sign in',
    text: ['The first start printed the e-mail address and the password, and wrote them to ',
      el('code', {class: 'nowrap'}, 'first-run.json'), ' in the data directory.'],
    fields: [email(), password('Password', 'current')],
    submit: async (name, secret) => {
      await api.login(name, secret);
      done();
    },
    more: el('p', {class: 'dim'}, el('button', {class: 'quiet', type: 'button', onclick: () => forgot(main, done)}, 'Forgot the password?')),
  });
}

function forgot(main, done) {
  form(main, {
    title: 'Forgot the password?', action: 'Send the link', fields: [email()],
    text: ['A link to a new password is sent to the address, if it is a user\u2019s. Without mail, it is in ',
      el('code', {class: 'nowrap'}, 'outbox'), ' in the data directory.'],
    submit: async (name) => {
      await api.askReset(name);
      signIn(main, 'If there is such a user, a link is on its way.', done);
    },
  });
}

function setPassword(main, token, done) {
  form(main, {
    title: 'Set a new password', text: rule, action: 'Set the password', fields: [password('New password', 'new')],
    submit: async (secret) => {
      await api.resetPassword(token, secret);
      leave();
      signIn(main, 'The new password is set.', done);
    },
  });
}

function accept(main, q, done) {
  form(main, {
    title: 'Join Harken', action: 'Join', text: 'Choose a password (' + rule + ') or, if you are a user already, give yours.',
    fields: [email(q.get('signupEmailId') || '', Boolean(q.get('signupEmailId'))), password('Password', 'new')],
    submit: async (name, secret) => {
      await api.signup(name, secret, q.get('signupInvitationCode'));
      leave();
      done();
    },
  });
}
