// How values are shown.

const numbers = new Intl.NumberFormat();
export const count = (n) => numbers.format(n || 0);

export function ago(seconds) {
  if (!seconds) return '–';
  const s = Math.max(0, Math.floor(Date.now() / 1000 - seconds));
  if (s < 5) return 'now';
  if (s < 60) return `${s} s ago`;
  if (s < 3600) return `${Math.floor(s / 60)} min ago`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ago`;
  return `${Math.floor(s / 86400)} d ago`;
}

export const when = (seconds) => (seconds ? new Date(seconds * 1000).toLocaleString() : '');

// pretty indents a body that is JSON, and leaves any other as it is.
export function pretty(text) {
  if (!text) return '';
  const t = text.trim();
  if (t[0] !== '{' && t[0] !== '[') return text;
  try {
    return JSON.stringify(JSON.parse(t), null, 2);
  } catch {
    return text;
  }
}

// headers are the lines of a header object that travels as text.
export function headers(text) {
  let h = text;
  if (typeof h === 'string') {
    try {
      h = JSON.parse(h || '{}');
    } catch {
      return [];
    }
  }
  return Object.entries(h || {}).sort(([a], [b]) => (a < b ? -1 : 1));
}

export const statusClass = (code) => 's' + String(code)[0];
