// The metric families that the API promises, and prom-client's defaults of the process.
'use strict';
const client = require('prom-client');

client.collectDefaultMetrics();
const counter = (name, help, labelNames = []) => new client.Counter({ name, help, labelNames });
const gauge = (name, help, labelNames = []) => new client.Gauge({ name, help, labelNames });

const swaps = counter('swap_transactions_total', 'Swaps by result', ['status']);
for (const status of ['success', 'failed']) swaps.inc({ status }, 0);

module.exports = {
  registry: client.register,
  requests: counter('http_requests_total', 'HTTP requests', ['method', 'route', 'status']),
  durations: new client.Histogram({
    name: 'http_request_duration_seconds', help: 'Duration of HTTP requests',
    labelNames: ['method', 'route'], buckets: [0.1, 0.5, 1, 2, 5, 10],
  }),
  connections: gauge('websocket_connections_active', 'Open WebSocket connections'),
  messagesSent: counter('websocket_messages_sent_total', 'WebSocket messages sent'),
  swaps,
  volume: counter('swap_volume_usd_total', 'Volume of swaps in USD'),
  poolTvl: gauge('liquidity_pool_tvl_usd', 'Value locked in a pool, in USD', ['pool']),
  poolCount: gauge('liquidity_pools_count', 'Number of pools'),
  oraclePrice: gauge('oracle_price', 'Price told by the oracle, in USD', ['symbol']),
  poolPrice: gauge('pool_price', 'Price in the pools, in USD', ['symbol']),
};
