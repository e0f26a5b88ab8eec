// The page of the API: fetches the document by the session, or by a key that a
// person gives, and hands it to Swagger UI.

const form = document.getElementById('key');
const token = document.getElementById('token');
const file = document.getElementById('file');

async function load(key) {
  let res;
  try {
    res = await fetch('/api/openapi.json', {headers: key ? {'X-API-KEY': key} : {}, credentials: 'same-origin'});
  } catch {
    return ask('Harken does not answer. Is it still running?');
  }
  if (!res.ok) return ask(key ? 'That key is not known here.' : '');
  form.hidden = true;
  token.value = '';
  file.hidden = Boolean(key); // a link sends no key
  draw(await res.json(), key);
}

function ask(why) {
  document.getElementById('why').textContent = why;
  form.hidden = false;
  file.hidden = true;
  token.focus();
}

function draw(spec, key) {
  const ui = window.SwaggerUIBundle({
    spec,
    domNode: document.getElementById('viewer'),
    deepLinking: true,
    docExpansion: 'list',
    filter: true,
    defaultModelsExpandDepth: -1,
    displayRequestDuration: true,
    validatorUrl: null,
    persistAuthorization: false,
    syntaxHighlight: {activated: true, theme: 'idea'},
    onComplete: () => {
      if (key) ui.preauthorizeApiKey('apiKey', key);
    },
  });
}

form.addEventListener('submit', (ev) => {
  ev.preventDefault();
  load(token.value.trim());
});
load('');
