CREATE EXTENSION pg_stat_statements;
CREATE SCHEMA swap AUTHORIZATION tokenswap_owner;
SET ROLE tokenswap_owner;
SET search_path = swap;
CREATE TABLE users (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    wallet     text NOT NULL UNIQUE,
    created_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE pools (
    id       integer PRIMARY KEY,
    pair     text NOT NULL UNIQUE,
    tvl_usd  numeric(18, 2) NOT NULL CHECK (tvl_usd >= 0),
    fee_bps  integer NOT NULL);
CREATE TABLE prices (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    symbol   text NOT NULL,
    usd      numeric(18, 8) NOT NULL,
    at       timestamptz NOT NULL DEFAULT now());
CREATE INDEX prices_symbol_at ON prices (symbol, at DESC);
CREATE TABLE swaps (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id    bigint NOT NULL REFERENCES users,
    pool_id    integer NOT NULL REFERENCES pools,
    amount_in  numeric(24, 8) NOT NULL,
    amount_out numeric(24, 8) NOT NULL,
    status     text NOT NULL CHECK (status IN ('success', 'failed', 'pending')),
    created_at timestamptz NOT NULL DEFAULT now());
CREATE INDEX swaps_created_at ON swaps (created_at);
CREATE INDEX swaps_user_id ON swaps (user_id);
CREATE TABLE api_keys (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    owner      text NOT NULL,
    key_sha256 text NOT NULL UNIQUE,
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz);
RESET ROLE;
-- When each API key was made, for whoever watches over their rotation: not the keys, not their hashes.
CREATE SCHEMA ops AUTHORIZATION tokenswap_owner;
SET ROLE tokenswap_owner;
CREATE VIEW ops.api_keys AS SELECT id, owner, created_at, revoked_at FROM swap.api_keys;
RESET ROLE;
RESET search_path;
