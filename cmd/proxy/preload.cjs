'use strict';
// Sends what Node's http, https and fetch ask for through the proxy in
// HARKEN_PROXY_URL, each connection by CONNECT. Agents that a program makes for
// itself are left alone: they are asked for on purpose.
const http = require('http');
const https = require('https');
const net = require('net');
const tls = require('tls');

const proxy = process.env.HARKEN_PROXY_URL ? new URL(process.env.HARKEN_PROXY_URL) : null;
// The agent that reaches the proxy itself.
const direct = new http.Agent();

function tunnel(host, port, done) {
  const target = (host.includes(':') && !host.startsWith('[') ? '[' + host + ']' : host) + ':' + port;
  const headers = { host: target };
  if (proxy.username) {
    const pair = decodeURIComponent(proxy.username) + ':' + decodeURIComponent(proxy.password);
    headers['proxy-authorization'] = 'Basic ' + Buffer.from(pair).toString('base64');
  }
  const req = http.request({ host: proxy.hostname, port: proxy.port, method: 'CONNECT', path: target, headers, agent: direct });
  req.once('connect', (res, socket) => {
    if (res.statusCode !== 200) {
      socket.destroy();
      done(new Error('proxy answered ' + res.statusCode + ' to CONNECT ' + target));
      return;
    }
    done(null, socket);
  });
  req.once('error', done);
  req.end();
}

function secure(socket, options, done) {
  const conn = tls.connect({ ...options, socket, servername: options.servername });
  const fail = (err) => done(err);
  conn.once('error', fail);
  conn.once('secureConnect', () => {
    conn.removeListener('error', fail);
    done(null, conn);
  });
}

class PlainAgent extends http.Agent {
  createConnection(options, done) {
    if (options.host === proxy.hostname && String(options.port) === proxy.port) {
      return super.createConnection(options, done); // a program that knows the proxy by itself
    }
    tunnel(options.host || 'localhost', options.port || 80, done);
  }
}

class SecureAgent extends https.Agent {
  createConnection(options, done) {
    tunnel(options.host || 'localhost', options.port || 443, (err, socket) => {
      if (err) return done(err);
      const { path, socketPath, ...rest } = options;
      secure(socket, rest, done);
    });
  }
}

function patchFetch() {
  void globalThis.Request; // loads the fetch implementation
  const symbol = Symbol.for('undici.globalDispatcher.1');
  const current = globalThis[symbol];
  if (!current || typeof current.constructor !== 'function') return;
  const connect = (options, done) => {
    const port = options.port || (options.protocol === 'https:' ? 443 : 80);
    tunnel(options.hostname, port, (err, socket) => {
      if (err) return done(err, null);
      if (options.protocol !== 'https:') return done(null, socket);
      secure(socket, { servername: options.servername || (net.isIP(options.hostname) ? '' : options.hostname), host: options.hostname, ALPNProtocols: ['http/1.1'] }, done);
    });
  };
  globalThis[symbol] = new current.constructor({ connect });
}

if (proxy) {
  http.globalAgent = new PlainAgent({ keepAlive: true });
  https.globalAgent = new SecureAgent({ keepAlive: true });
  try {
    patchFetch();
  } catch {
    // Another fetch than the one that Node brings: it has to know the proxy itself.
  }
}
