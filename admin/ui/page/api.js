// The control API, as far as the page uses it.

export class APIError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

async function send(path, body, headers) {
  let res;
  try {
    res = await fetch(path, {method: 'POST', body, headers, credentials: 'same-origin', cache: 'no-store'});
  } catch {
    throw new APIError(0, 'Harken does not answer. Is it still running?');
  }
  return reply(res);
}

async function reply(res) {
  let data = {};
  try {
    data = await res.json();
  } catch {
    // An answer without JSON has only its status to tell.
  }
  if (res.ok) return data;
  const wait = res.headers.get('Retry-After');
  let message = data.actionErrors ? data.actionErrors.join('; ') : `The server answered ${res.status}.`;
  if (res.status === 429 && wait) message += ` (in ${Math.ceil(wait / 60)} min)`;
  throw new APIError(res.status, message);
}

export const call = (name, body = {}) => send('/api/' + name, JSON.stringify(body), {'Content-Type': 'application/json'});

export const login = (username, password) =>
  send('/auth/login', JSON.stringify({username, password}), {'Content-Type': 'application/json'});

const post = (path, body) => send(path, JSON.stringify(body), {'Content-Type': 'application/json'});

export const askReset = (forgotPasswordEmail) => post('/auth/sendPasswordResetLink', {forgotPasswordEmail});

export const resetPassword = (resetPasswordToken, newPassword) => post('/auth/resetPassword', {resetPasswordToken, newPassword});

export const signup = (email, password, invitationCode) => post('/signup-email', {email, password, invitationCode});

export function upload(file, collectionName) {
  const form = new FormData();
  form.append('apiCollectionName', collectionName);
  form.append('skipKafka', 'true');
  form.append('harString', file);
  return send('/api/uploadHar', form);
}

export async function health() {
  try {
    return await reply(await fetch('/api/health', {cache: 'no-store'}));
  } catch {
    return {};
  }
}

// harURL is the address of a HAR: of everything, a collection, or an endpoint.
export function harURL(collection, endpoint) {
  const q = new URLSearchParams();
  if (collection !== undefined) q.set('collection', collection);
  if (endpoint) q.set('endpoint', `${endpoint.method} ${endpoint.url}`);
  const s = q.toString();
  return '/api/records.har' + (s ? '?' + s : '');
}
