// The token swap API of the lab: HTTP on 3000, WebSocket on 8080, one process. Real PostgreSQL and Redis behind it.
'use strict';
const fs = require('fs');
const http = require('http');
const { randomUUID } = require('crypto');
const { WebSocketServer } = require('ws');
const metrics = require('./metrics');
const store = require('./store');

const RATE_LIMIT = 1200; // requests a minute and client
const LOG_FILE = '/var/log/tokenswap/app.log';
const FAULTS_FILE = '/run/tokenswap/faults.json';

// ---- log: JSON lines to standard output and to the shared file
const logFile = fs.createWriteStream(LOG_FILE, { flags: 'a', mode: 0o640 });
logFile.on('error', (error) => console.error(`cannot write ${LOG_FILE}: ${error.message}`));
function log(level, module, message, data = {}, traceId = randomUUID(), userId = null) {
  const line = JSON.stringify({
    timestamp: new Date().toISOString(), level, service: 'tokenswap-api', module,
    trace_id: traceId, user_id: userId, message, data,
  });
  process.stdout.write(line + '\n');
  logFile.write(line + '\n');
}

// ---- THE LAB'S FAULT SWITCH. Tests write FAULTS_FILE in this container to make the API misbehave on purpose:
//   {"error_share": 0..1, "delay_ms": n}        on /v1/* only
//   {"health": "unhealthy-200" | "503", "health_delay_ms": n}         on /health
// Read at most once a second; no file, no faults.
let faults = {};
let faultsReadAt = 0;
function currentFaults() {
  if (Date.now() - faultsReadAt >= 1000) {
    faultsReadAt = Date.now();
    try { faults = JSON.parse(fs.readFileSync(FAULTS_FILE, 'utf8')); } catch { faults = {}; }
  }
  return faults;
}

// ---- answers
function send(res, status, body, headers = {}) {
  const text = JSON.stringify(body);
  res.writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text), ...headers });
  res.end(text);
}
function envelope(res, status, { data = null, error = null, headers = {} }) {
  send(res, status, {
    success: error === null, data, error, timestamp: new Date().toISOString(), requestId: res.requestId,
  }, { ...headers, 'X-Request-Id': res.requestId });
}

async function health(req, res) {
  const { health: fault, health_delay_ms: delay = 0 } = currentFaults();
  if (delay > 0) await new Promise((resolve) => setTimeout(resolve, delay));
  const checks = {
    postgres: (await store.databaseAnswers()) ? 'up' : 'down',
    redis: (await store.cacheAnswers()) ? 'up' : 'down',
  };
  const healthy = !fault && Object.values(checks).every((state) => state === 'up');
  send(res, healthy || fault === 'unhealthy-200' ? 200 : 503, {
    status: healthy ? 'healthy' : 'unhealthy', checks,
    uptime: Math.round(process.uptime()), version: process.env.npm_package_version || '1.0.0',
    timestamp: new Date().toISOString(),
  });
}

async function exposition(req, res) {
  const body = await metrics.registry.metrics();
  res.writeHead(200, { 'Content-Type': metrics.registry.contentType });
  res.end(body);
}

const API = {
  'GET /v1/config': async () => ({ networks: ['ethereum', 'solana'], maxSlippage: 0.5, minTradeUsd: 1 }),
  'GET /v1/pools': async () => store.pools(),
  'GET /v1/prices': async () => store.prices(),
  'GET /v1/stats': async () => store.stats(),
  'POST /v1/swaps': async () => {
    const swap = await store.swap();
    metrics.swaps.inc({ status: swap.status });
    metrics.volume.inc(swap.usd);
    return swap;
  },
};

async function api(req, res, handler) {
  const { error_share: errorShare = 0, delay_ms: delay = 0 } = currentFaults();
  if (delay > 0) await new Promise((resolve) => setTimeout(resolve, delay));
  if (Math.random() < errorShare) throw new Error('injected by the fault switch');
  const client = req.headers['x-real-ip'] || req.socket.remoteAddress;
  const { used, resetIn } = await store.countRequest(client);
  const headers = {
    'X-RateLimit-Limit': RATE_LIMIT,
    'X-RateLimit-Remaining': Math.max(0, RATE_LIMIT - used),
    'X-RateLimit-Reset': Math.floor(Date.now() / 1000) + resetIn,
  };
  if (used > RATE_LIMIT) {
    envelope(res, 429, { error: { code: 'RATE_LIMITED', message: 'too many requests' }, headers });
  } else {
    envelope(res, 200, { data: await handler(), headers });
  }
}

async function answer(req, res) {
  const path = new URL(req.url, 'http://localhost').pathname;
  const handler = API[`${req.method} ${path}`];
  res.requestId = randomUUID();
  res.route = handler || path === '/health' || path === '/metrics' ? path : 'unknown';
  if (req.method === 'GET' && path === '/health') return health(req, res);
  if (req.method === 'GET' && path === '/metrics') return exposition(req, res);
  if (handler) return api(req, res, handler);
  return envelope(res, 404, { error: { code: 'NOT_FOUND', message: 'no such resource' } });
}

const server = http.createServer((req, res) => {
  const started = process.hrtime.bigint();
  res.on('finish', () => {
    const seconds = Number(process.hrtime.bigint() - started) / 1e9;
    if (res.route === '/metrics') return; // Prometheus' own questions are not traffic
    metrics.requests.inc({ method: req.method, route: res.route, status: res.statusCode });
    metrics.durations.observe({ method: req.method, route: res.route }, seconds);
    if (res.route !== '/health') {
      log(res.statusCode >= 500 ? 'ERROR' : 'INFO', 'http', `${req.method} ${res.route} ${res.statusCode}`,
        { status: res.statusCode, duration_ms: Math.round(seconds * 1000) }, res.requestId);
    }
  });
  answer(req, res).catch((error) => {
    log('ERROR', 'http', 'request failed', { error: error.message }, res.requestId);
    if (!res.headersSent) envelope(res, 500, { error: { code: 'INTERNAL', message: 'internal error' } });
  });
});

// ---- WebSocket: every path is good; a price tick every two seconds
const sockets = new WebSocketServer({ port: 8080 });
function tell(socket, message) {
  socket.send(JSON.stringify(message));
  metrics.messagesSent.inc();
}
sockets.on('connection', (socket) => {
  metrics.connections.set(sockets.clients.size);
  socket.on('close', () => metrics.connections.set(sockets.clients.size));
  socket.on('error', () => socket.terminate());
  tell(socket, { type: 'welcome', timestamp: new Date().toISOString() });
});
setInterval(() => {
  for (const socket of sockets.clients) tell(socket, { type: 'prices', data: store.latestPrices });
}, 2000);

// ---- what the market looks like, from the database, every five seconds; once a minute in detail in the log
let observed = 0;
async function observeMarket() {
  try {
    const [pools, prices] = [await store.pools(), await store.prices()];
    metrics.poolCount.set(pools.length);
    for (const pool of pools) metrics.poolTvl.set({ pool: pool.pair }, pool.tvlUsd);
    for (const price of prices) {
      metrics.oraclePrice.set({ symbol: price.symbol }, price.usd);
      metrics.poolPrice.set({ symbol: price.symbol }, price.usd * 1.001);
    }
    if (observed++ % 12 === 0) log('DEBUG', 'market', 'observed', { pools: pools.length, prices: prices.length });
  } catch (error) {
    log('WARN', 'market', 'cannot read the market', { error: error.message });
  }
}
setInterval(observeMarket, 5000);

for (const signal of ['SIGTERM', 'SIGINT']) {
  process.on(signal, () => {
    log('INFO', 'server', `ending on ${signal}`);
    setTimeout(() => process.exit(0), 200);
  });
}

store.open((module, error) => log('WARN', module, 'connection lost', { error: error.message }));
observeMarket();
server.listen(3000, () => log('INFO', 'server', 'listening', { http: 3000, websocket: 8080 }));
