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

// opsFilter finds operations by words of their path, name and summary; the
// viewer's own looks at the names of groups only.
function opsFilter(groups, phrase) {
  const words = phrase.toLowerCase().split(/\s+/);
  const matches = (op, group) => {
    const text = [group, op.get('path'), op.getIn(['operation', 'summary'])].join(' ').toLowerCase();
    return words.every((w) => text.includes(w));
  };
  return groups
    .map((group, name) => group.update('operations', (list) => list.filter((op) => matches(op, name))))
    .filter((group) => group.get('operations').size > 0);
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
    plugins: [() => ({fn: {opsFilter}})],
    onComplete: () => {
      if (key) ui.preauthorizeApiKey('apiKey', key);
      document.querySelector('.operation-filter-input')?.setAttribute('placeholder', 'Filter: words of path, group, summary');
    },
  });
}

form.addEventListener('submit', (ev) => {
  ev.preventDefault();
  load(token.value.trim());
});
load('');
