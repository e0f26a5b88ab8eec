// The only way in which this page makes elements. Text is always text: nothing
// here, and nothing that uses it, parses markup out of data.

const properties = new Set(['value', 'checked', 'disabled', 'hidden', 'open', 'required', 'files']);

// el makes an element: el('a', {href: '#', class: 'x', onclick: f}, 'text', child, ...).
export function el(tag, attrs, ...children) {
  const e = document.createElement(tag);
  for (const [name, value] of Object.entries(attrs || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) e.addEventListener(name.slice(2), value);
    else if (properties.has(name)) e[name] = value;
    else e.setAttribute(name, value === true ? '' : value);
  }
  add(e, children);
  return e;
}

function add(parent, children) {
  for (const c of children) {
    if (Array.isArray(c)) add(parent, c);
    else if (c instanceof Node) parent.append(c);
    else if (c !== null && c !== undefined && c !== false) parent.append(document.createTextNode(String(c)));
  }
}

// show replaces what is in parent, and gives the focus back to the element with
// the same data-key as the one that had it.
export function show(parent, ...children) {
  const focused = parent.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  parent.replaceChildren();
  add(parent, children);
  if (focused === undefined) return;
  for (const e of parent.querySelectorAll('[data-key]')) {
    if (e.dataset.key === focused) {
      e.focus({preventScroll: true});
      return;
    }
  }
}
