-- The application: data only, no tables of its own.
CREATE ROLE tokenswap LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION CONNECTION LIMIT 20;
REVOKE CONNECT ON DATABASE tokenswap FROM PUBLIC;
GRANT CONNECT ON DATABASE tokenswap TO tokenswap;
GRANT USAGE ON SCHEMA swap TO tokenswap;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA swap TO tokenswap;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA swap TO tokenswap;
ALTER ROLE tokenswap SET search_path = swap;

-- The nightly backup.
CREATE ROLE backup LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE REPLICATION CONNECTION LIMIT 4;
GRANT pg_read_all_data TO backup;
GRANT CONNECT ON DATABASE tokenswap TO backup;

-- The hot standby.
CREATE ROLE replica LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE REPLICATION CONNECTION LIMIT 2;

-- The exporter that tells Prometheus the sizes.
CREATE ROLE metrics LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION CONNECTION LIMIT 3;
GRANT pg_monitor TO metrics;
GRANT CONNECT ON DATABASE tokenswap TO metrics;

-- The verifier, as a production DBA would grant it.
CREATE ROLE ops_verify LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS CONNECTION LIMIT 3 VALID UNTIL '2099-01-01';
GRANT pg_monitor TO ops_verify;
GRANT CONNECT ON DATABASE tokenswap TO ops_verify;
REVOKE TEMPORARY ON DATABASE tokenswap FROM PUBLIC;
GRANT SELECT ON pg_hba_file_rules TO ops_verify;
GRANT EXECUTE ON FUNCTION pg_hba_file_rules() TO ops_verify;
GRANT USAGE ON SCHEMA ops TO ops_verify;
GRANT SELECT ON ops.api_keys TO ops_verify;
ALTER ROLE ops_verify SET default_transaction_read_only=on;
ALTER ROLE ops_verify SET statement_timeout='5s';
ALTER ROLE ops_verify SET lock_timeout='500ms';
ALTER ROLE ops_verify SET idle_in_transaction_session_timeout='10s';
ALTER ROLE ops_verify SET temp_file_limit='64MB';
ALTER ROLE ops_verify SET search_path=pg_catalog;

-- The verifier where the database is a managed service, and its provider grants nothing.
CREATE ROLE ops_managed LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS CONNECTION LIMIT 3 VALID UNTIL '2099-01-01';
GRANT CONNECT ON DATABASE tokenswap TO ops_managed;
ALTER ROLE ops_managed SET default_transaction_read_only=on;
ALTER ROLE ops_managed SET statement_timeout='5s';
ALTER ROLE ops_managed SET lock_timeout='500ms';
ALTER ROLE ops_managed SET idle_in_transaction_session_timeout='10s';
ALTER ROLE ops_managed SET temp_file_limit='64MB';
ALTER ROLE ops_managed SET search_path=pg_catalog;
