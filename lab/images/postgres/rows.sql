SET ROLE tokenswap_owner;
SET search_path = swap;
INSERT INTO users (wallet, created_at)
    SELECT '0x' || substr(md5(g::text), 1, 20), now() - (g % 400) * interval '1 day' FROM generate_series(1, 200) g;
INSERT INTO pools VALUES
    (1, 'ETH/USDC', 8200000, 30), (2, 'BTC/USDC', 9100000, 30), (3, 'SOL/USDC', 3300000, 30),
    (4, 'ETH/BTC', 2700000, 30), (5, 'USDT/USDC', 5400000, 5), (6, 'SOL/ETH', 1200000, 30);
INSERT INTO prices (symbol, usd, at)
    SELECT s.symbol, s.usd * (1 + 0.01 * sin(g)), now() - g * interval '10 minutes'
    FROM generate_series(1, 500) g, (VALUES ('ETH', 3150.0), ('BTC', 67200.0), ('SOL', 152.0), ('USDT', 1.0)) s (symbol, usd);
INSERT INTO swaps (user_id, pool_id, amount_in, amount_out, status, created_at)
    SELECT 1 + g % 200, 1 + g % 6, 5 + g % 900, (5 + g % 900) * 0.997,
           CASE WHEN g % 97 = 0 THEN 'failed' ELSE 'success' END, now() - g * interval '25 minutes'
    FROM generate_series(1, 3000) g;
INSERT INTO api_keys (owner, key_sha256, created_at, revoked_at)
    SELECT o.owner, encode(sha256(o.owner::bytea), 'hex'), now() - o.age, CASE WHEN o.age > '90 days' THEN now() - interval '60 days' END
    FROM (VALUES ('web', interval '12 days'), ('mobile', interval '40 days'), ('partner-a', interval '75 days'),
                 ('partner-b', interval '140 days')) o (owner, age);
