// PostgreSQL and Redis. Passwords are read from files, never from the environment.
'use strict';
const fs = require('fs');
const { Pool } = require('pg');
const { createClient } = require('redis');

const SECRETS = '/etc/tokenswap/secrets';
const secret = (name) => fs.readFileSync(`${SECRETS}/${name}`, 'utf8').trim();
const within = (promise, ms) =>
  Promise.race([promise, new Promise((_, fail) => setTimeout(() => fail(new Error('timed out')), ms).unref())]);

let database;
let cache;

function open(lost) {
  database = new Pool({
    host: 'postgres', database: 'tokenswap', user: 'tokenswap', password: () => secret('postgres_tokenswap'),
    ssl: { ca: fs.readFileSync(`${SECRETS}/ca.crt`), servername: 'postgres' },
    application_name: 'tokenswap-api', max: 10, connectionTimeoutMillis: 3000, query_timeout: 5000,
    idleTimeoutMillis: 60000,
  });
  database.on('error', (error) => lost('postgres', error));
  cache = createClient({
    username: 'tokenswap', password: secret('redis_tokenswap'),
    socket: { host: 'redis', port: 6379, connectTimeout: 2000, reconnectStrategy: (n) => Math.min(200 * n, 2000) },
    disableOfflineQueue: true,
  });
  cache.on('error', (error) => lost('redis', error));
  cache.connect().catch(() => {});
}

const rows = async (sql, values) => (await database.query(sql, values)).rows;
const yes = (promise) => within(promise, 2000).then(() => true, () => false);

const store = {
  open,
  latestPrices: [],
  databaseAnswers: () => yes(database.query('SELECT 1')),
  cacheAnswers: () => yes(cache.ping()),

  async countRequest(client) {
    const key = `ts:rate:${client}:${Math.floor(Date.now() / 60000)}`;
    const [used] = await within(cache.multi().incr(key).expire(key, 60).exec(), 2000);
    return { used, resetIn: 60 - Math.floor((Date.now() / 1000) % 60) };
  },
  async pools() {
    return (await rows('SELECT id, pair, tvl_usd, fee_bps FROM pools ORDER BY id'))
      .map((pool) => ({ id: pool.id, pair: pool.pair, tvlUsd: Number(pool.tvl_usd), feeBps: pool.fee_bps }));
  },
  async prices() {
    const cached = await within(cache.get('ts:prices'), 2000);
    if (cached) return JSON.parse(cached);
    const latest = (await rows('SELECT DISTINCT ON (symbol) symbol, usd FROM prices ORDER BY symbol, at DESC'))
      .map((price) => ({ symbol: price.symbol, usd: Number(price.usd) }));
    await within(cache.set('ts:prices', JSON.stringify(latest), { EX: 30 }), 2000);
    store.latestPrices = latest;
    return latest;
  },
  async stats() {
    const [day] = await rows(`SELECT count(*)::int AS swaps, coalesce(sum(amount_in), 0)::float AS volume_usd
      FROM swaps WHERE created_at > now() - interval '24 hours'`);
    return day;
  },
  async swap() {
    const usd = Math.round(1000 + Math.random() * 90000) / 100;
    const [made] = await rows(`INSERT INTO swaps (user_id, pool_id, amount_in, amount_out, status)
      VALUES (1 + floor(random() * 200)::int, 1 + floor(random() * 6)::int, $1, $1::numeric * 0.997, 'success')
      RETURNING id::text, status`, [usd]);
    await within(cache.set(`ts:swap:${made.id}`, String(usd), { EX: 3600 }), 2000);
    return { ...made, usd };
  },
};
module.exports = store;
