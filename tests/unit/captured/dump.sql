--
-- PostgreSQL database dump
--

\restrict NQcObQgbCZV9s3PFBJgfa7UAqhd2jGEZfufZAV7HkTGHBgmospQKhCTMxqmt9qE

-- Dumped from database version 15.20 (Debian 15.20-0+deb12u1)
-- Dumped by pg_dump version 15.20 (Debian 15.20-0+deb12u1)

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- Name: swap; Type: SCHEMA; Schema: -; Owner: tokenswap_owner
--

CREATE SCHEMA swap;


ALTER SCHEMA swap OWNER TO tokenswap_owner;

--
-- Name: pg_stat_statements; Type: EXTENSION; Schema: -; Owner: -
--

CREATE EXTENSION IF NOT EXISTS pg_stat_statements WITH SCHEMA public;


--
-- Name: EXTENSION pg_stat_statements; Type: COMMENT; Schema: -; Owner: 
--

COMMENT ON EXTENSION pg_stat_statements IS 'track planning and execution statistics of all SQL statements executed';


SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: api_keys; Type: TABLE; Schema: swap; Owner: tokenswap_owner
--

CREATE TABLE swap.api_keys (
    id bigint NOT NULL,
    owner text NOT NULL,
    key_sha256 text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    revoked_at timestamp with time zone
);


ALTER TABLE swap.api_keys OWNER TO tokenswap_owner;

--
-- Name: api_keys_id_seq; Type: SEQUENCE; Schema: swap; Owner: tokenswap_owner
--

ALTER TABLE swap.api_keys ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME swap.api_keys_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: pools; Type: TABLE; Schema: swap; Owner: tokenswap_owner
--

CREATE TABLE swap.pools (
    id integer NOT NULL,
    pair text NOT NULL,
    tvl_usd numeric(18,2) NOT NULL,
    fee_bps integer NOT NULL,
    CONSTRAINT pools_tvl_usd_check CHECK ((tvl_usd >= (0)::numeric))
);


ALTER TABLE swap.pools OWNER TO tokenswap_owner;

--
-- Name: prices; Type: TABLE; Schema: swap; Owner: tokenswap_owner
--

CREATE TABLE swap.prices (
    id bigint NOT NULL,
    symbol text NOT NULL,
    usd numeric(18,8) NOT NULL,
    at timestamp with time zone DEFAULT now() NOT NULL
);


ALTER TABLE swap.prices OWNER TO tokenswap_owner;

--
-- Name: prices_id_seq; Type: SEQUENCE; Schema: swap; Owner: tokenswap_owner
--

ALTER TABLE swap.prices ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME swap.prices_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: swaps; Type: TABLE; Schema: swap; Owner: tokenswap_owner
--

CREATE TABLE swap.swaps (
    id bigint NOT NULL,
    user_id bigint NOT NULL,
    pool_id integer NOT NULL,
    amount_in numeric(24,8) NOT NULL,
    amount_out numeric(24,8) NOT NULL,
    status text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT swaps_status_check CHECK ((status = ANY (ARRAY['success'::text, 'failed'::text, 'pending'::text])))
);


ALTER TABLE swap.swaps OWNER TO tokenswap_owner;

--
-- Name: swaps_id_seq; Type: SEQUENCE; Schema: swap; Owner: tokenswap_owner
--

ALTER TABLE swap.swaps ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME swap.swaps_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: users; Type: TABLE; Schema: swap; Owner: tokenswap_owner
--

CREATE TABLE swap.users (
    id bigint NOT NULL,
    wallet text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);


ALTER TABLE swap.users OWNER TO tokenswap_owner;

--
-- Name: users_id_seq; Type: SEQUENCE; Schema: swap; Owner: tokenswap_owner
--

ALTER TABLE swap.users ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME swap.users_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Data for Name: api_keys; Type: TABLE DATA; Schema: swap; Owner: tokenswap_owner
--

COPY swap.api_keys (id, owner, key_sha256, created_at, revoked_at) FROM stdin;
1	web	4b5e57f6eb2f42b9039b3d1e13929295f231749c510cbe341cd68036d9af97e2	2026-11-11 08:44:05.333365+00	\N
2	mobile	d524c1a0811da49592f841085cc0063eb62b3001252a94542795d1ca9824a941	2026-10-14 08:44:05.333365+00	\N
3	partner-a	c9cd539e9284e15e6df940bf0dc1ca081a80542a010d768e7b8ad14a6723ebbc	2026-09-09 08:44:05.333365+00	\N
\.


--
-- Data for Name: pools; Type: TABLE DATA; Schema: swap; Owner: tokenswap_owner
--

COPY swap.pools (id, pair, tvl_usd, fee_bps) FROM stdin;
1	ETH/USDC	8200000.00	30
2	BTC/USDC	9100000.00	30
3	SOL/USDC	3300000.00	30
\.


--
-- Data for Name: prices; Type: TABLE DATA; Schema: swap; Owner: tokenswap_owner
--

COPY swap.prices (id, symbol, usd, at) FROM stdin;
1	ETH	3176.50633602	2026-11-23 08:34:05.333365+00
2	BTC	67765.46850179	2026-11-23 08:34:05.333365+00
3	SOL	153.27903590	2026-11-23 08:34:05.333365+00
\.


--
-- Data for Name: swaps; Type: TABLE DATA; Schema: swap; Owner: tokenswap_owner
--

COPY swap.swaps (id, user_id, pool_id, amount_in, amount_out, status, created_at) FROM stdin;
1	2	2	6.00000000	5.98200000	success	2026-11-23 08:19:05.333365+00
2	3	3	7.00000000	6.97900000	success	2026-11-23 07:54:05.333365+00
3	4	4	8.00000000	7.97600000	success	2026-11-23 07:29:05.333365+00
\.


--
-- Data for Name: users; Type: TABLE DATA; Schema: swap; Owner: tokenswap_owner
--

COPY swap.users (id, wallet, created_at) FROM stdin;
1	0xc4ca4238a0b923820dcc	2026-11-22 08:44:05.333365+00
2	0xc81e728d9d4c2f636f06	2026-11-21 08:44:05.333365+00
3	0xeccbc87e4b5ce2fe2830	2026-11-20 08:44:05.333365+00
\.


--
-- Name: api_keys_id_seq; Type: SEQUENCE SET; Schema: swap; Owner: tokenswap_owner
--

SELECT pg_catalog.setval('swap.api_keys_id_seq', 4, true);


--
-- Name: prices_id_seq; Type: SEQUENCE SET; Schema: swap; Owner: tokenswap_owner
--

SELECT pg_catalog.setval('swap.prices_id_seq', 2000, true);


--
-- Name: swaps_id_seq; Type: SEQUENCE SET; Schema: swap; Owner: tokenswap_owner
--

SELECT pg_catalog.setval('swap.swaps_id_seq', 3386, true);


--
-- Name: users_id_seq; Type: SEQUENCE SET; Schema: swap; Owner: tokenswap_owner
--

SELECT pg_catalog.setval('swap.users_id_seq', 200, true);


--
-- Name: api_keys api_keys_key_sha256_key; Type: CONSTRAINT; Schema: swap; Owner: tokenswap_owner
--

ALTER TABLE ONLY swap.api_keys
    ADD CONSTRAINT api_keys_key_sha256_key UNIQUE (key_sha256);


--
-- Name: api_keys api_keys_pkey; Type: CONSTRAINT; Schema: swap; Owner: tokenswap_owner
--

ALTER TABLE ONLY swap.api_keys
    ADD CONSTRAINT api_keys_pkey PRIMARY KEY (id);


--
-- Name: pools pools_pair_key; Type: CONSTRAINT; Schema: swap; Owner: tokenswap_owner
--

ALTER TABLE ONLY swap.pools
    ADD CONSTRAINT pools_pair_key UNIQUE (pair);


--
-- Name: pools pools_pkey; Type: CONSTRAINT; Schema: swap; Owner: tokenswap_owner
--

ALTER TABLE ONLY swap.pools
    ADD CONSTRAINT pools_pkey PRIMARY KEY (id);


--
-- Name: prices prices_pkey; Type: CONSTRAINT; Schema: swap; Owner: tokenswap_owner
--

ALTER TABLE ONLY swap.prices
    ADD CONSTRAINT prices_pkey PRIMARY KEY (id);


--
-- Name: swaps swaps_pkey; Type: CONSTRAINT; Schema: swap; Owner: tokenswap_owner
--

ALTER TABLE ONLY swap.swaps
    ADD CONSTRAINT swaps_pkey PRIMARY KEY (id);


--
-- Name: users users_pkey; Type: CONSTRAINT; Schema: swap; Owner: tokenswap_owner
--

ALTER TABLE ONLY swap.users
    ADD CONSTRAINT users_pkey PRIMARY KEY (id);


--
-- Name: users users_wallet_key; Type: CONSTRAINT; Schema: swap; Owner: tokenswap_owner
--

ALTER TABLE ONLY swap.users
    ADD CONSTRAINT users_wallet_key UNIQUE (wallet);


--
-- Name: prices_symbol_at; Type: INDEX; Schema: swap; Owner: tokenswap_owner
--

CREATE INDEX prices_symbol_at ON swap.prices USING btree (symbol, at DESC);


--
-- Name: swaps_created_at; Type: INDEX; Schema: swap; Owner: tokenswap_owner
--

CREATE INDEX swaps_created_at ON swap.swaps USING btree (created_at);


--
-- Name: swaps_user_id; Type: INDEX; Schema: swap; Owner: tokenswap_owner
--

CREATE INDEX swaps_user_id ON swap.swaps USING btree (user_id);


--
-- Name: swaps swaps_pool_id_fkey; Type: FK CONSTRAINT; Schema: swap; Owner: tokenswap_owner
--

ALTER TABLE ONLY swap.swaps
    ADD CONSTRAINT swaps_pool_id_fkey FOREIGN KEY (pool_id) REFERENCES swap.pools(id);


--
-- Name: swaps swaps_user_id_fkey; Type: FK CONSTRAINT; Schema: swap; Owner: tokenswap_owner
--

ALTER TABLE ONLY swap.swaps
    ADD CONSTRAINT swaps_user_id_fkey FOREIGN KEY (user_id) REFERENCES swap.users(id);


--
-- Name: SCHEMA swap; Type: ACL; Schema: -; Owner: tokenswap_owner
--

GRANT USAGE ON SCHEMA swap TO tokenswap;


--
-- Name: FUNCTION pg_hba_file_rules(OUT line_number integer, OUT type text, OUT database text[], OUT user_name text[], OUT address text, OUT netmask text, OUT auth_method text, OUT options text[], OUT error text); Type: ACL; Schema: pg_catalog; Owner: postgres
--

GRANT ALL ON FUNCTION pg_catalog.pg_hba_file_rules(OUT line_number integer, OUT type text, OUT database text[], OUT user_name text[], OUT address text, OUT netmask text, OUT auth_method text, OUT options text[], OUT error text) TO ops_verify;


--
-- Name: TABLE pg_hba_file_rules; Type: ACL; Schema: pg_catalog; Owner: postgres
--

GRANT SELECT ON TABLE pg_catalog.pg_hba_file_rules TO ops_verify;


--
-- Name: TABLE api_keys; Type: ACL; Schema: swap; Owner: tokenswap_owner
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE swap.api_keys TO tokenswap;


--
-- Name: SEQUENCE api_keys_id_seq; Type: ACL; Schema: swap; Owner: tokenswap_owner
--

GRANT USAGE ON SEQUENCE swap.api_keys_id_seq TO tokenswap;


--
-- Name: TABLE pools; Type: ACL; Schema: swap; Owner: tokenswap_owner
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE swap.pools TO tokenswap;


--
-- Name: TABLE prices; Type: ACL; Schema: swap; Owner: tokenswap_owner
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE swap.prices TO tokenswap;


--
-- Name: SEQUENCE prices_id_seq; Type: ACL; Schema: swap; Owner: tokenswap_owner
--

GRANT USAGE ON SEQUENCE swap.prices_id_seq TO tokenswap;


--
-- Name: TABLE swaps; Type: ACL; Schema: swap; Owner: tokenswap_owner
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE swap.swaps TO tokenswap;


--
-- Name: SEQUENCE swaps_id_seq; Type: ACL; Schema: swap; Owner: tokenswap_owner
--

GRANT USAGE ON SEQUENCE swap.swaps_id_seq TO tokenswap;


--
-- Name: TABLE users; Type: ACL; Schema: swap; Owner: tokenswap_owner
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE swap.users TO tokenswap;


--
-- Name: SEQUENCE users_id_seq; Type: ACL; Schema: swap; Owner: tokenswap_owner
--

GRANT USAGE ON SEQUENCE swap.users_id_seq TO tokenswap;


--
-- PostgreSQL database dump complete
--

\unrestrict NQcObQgbCZV9s3PFBJgfa7UAqhd2jGEZfufZAV7HkTGHBgmospQKhCTMxqmt9qE

