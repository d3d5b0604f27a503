"""Cases of access: API keys, what listeners offer, least privilege in databases and caches, access logs, audits."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from lab import faults
from tests.lab.cases.kinds import Fault, NearMiss, together
from tests.lab.cases.people import attestation, dated, day

Injected = AbstractContextManager[Any]

KEYS, AUDIT = "SEC-KEY-01-api-keys", "evidence/BP-SEC-01.json"
SIGNED = """
[[keystores]]
name = "signed"
role = "api"
inventory = "lab/.state/documents/keys.toml"
signers = "lab/.state/documents/key_signers"
"""
SILENT = f"""
[[listeners]]
name = "silent"
server_name = "api.tokenswap.io"
connect = "127.0.0.1:{faults.SILENT_PORT}"
certificate = {{ host = "node", path = "/etc/ssl/certs/tokenswap.crt" }}
timeout_s = 1
"""
PROTOCOLS, CIPHERS = "ssl_protocols TLSv1.2 TLSv1.3;", "ssl_ciphers "
ACCESS_LOG = "access_log /dev/stdout combined;"
MAIN_FORMAT = """
    log_format main '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent'
                    ' "$http_referer" "$http_user_agent" "$http_x_forwarded_for" $request_time';
    access_log /dev/stdout main;
"""
PASSWORD = f"#{'0' * 64}"  # the digest of a password that nobody knows
ADVISORY = "GHSA-0000-0000-0002"
ACCEPTED = '[[accepted]]\nadvisory = "{}"\nreason = "Not reachable."\napproved_by = "Claire Fontaine"\nexpires = {}\n'


def key(name: str, created: str, revoked: str = "NULL") -> Fault:
    return Fault(name, lambda: faults.api_key(created, revoked), {KEYS: "fail"}, lane="keys")


def inventory(offset: int) -> str:
    return f'[[key]]\nid = "k-1"\nowner = "web"\ncreated = {day(offset)}\n'


def old_ciphers(*more: str) -> Injected:
    """nginx accepts these too, and what its OpenSSL would otherwise refuse."""
    return faults.nginx_edited(CIPHERS, f"{CIPHERS}{':'.join((*more, '@SECLEVEL=0'))}:")


def role(name: str, do: str, undo: str) -> Fault:
    return Fault(name, lambda: faults.sql_change(do, undo), {"BP-SEC-02-postgres": "fail"}, lane="roles")


def hba(method: str) -> Fault:
    rule = f"host all all 203.0.113.7/32 {method}"
    return Fault(
        f"a rule of pg_hba says {method}", lambda: faults.hba_rule(rule), {"BP-SEC-02-postgres": "fail"}, lane="roles"
    )


def critical(text: str) -> str:
    """The audit has found something critical."""
    data = json.loads(text)
    package = data["vulnerabilities"]["pretty-table"]
    advisory = {**package["via"][0], "severity": "critical", "url": f"https://github.com/advisories/{ADVISORY}"}
    data["vulnerabilities"]["pretty-table"] = {**package, "severity": "critical", "via": [advisory]}
    data["metadata"]["vulnerabilities"].update(moderate=0, critical=1)
    return json.dumps(data)


def attested_anew(change: Callable[[str], str]) -> Injected:
    """The result of the audit is another one, and was attested as it is."""

    def digest(entry: str) -> str:
        now = hashlib.sha256((faults.DOCUMENTS / AUDIT).read_bytes()).hexdigest()
        return re.sub(r'sha256 = "\w+"', f'sha256 = "{now}"', entry)

    return together(faults.document(AUDIT, change), attestation("BP-SEC-01", digest))


def accepted(days: int) -> Injected:
    return faults.document("accepted.toml", lambda text: text + ACCEPTED.format(ADVISORY, day(days)))


FAULTS = [
    key("an API key is 91 days old", "now() - interval '91 days'"),
    key("nobody knows since when an API key is in use", "NULL"),
    key("an API key will be made tomorrow", "now() + interval '1 day'"),
    key("an API key of last year will be revoked tomorrow", "now() - interval '1 year'", "now() + interval '1 day'"),
    key("an API key of last year was revoked in the year 1", "now() - interval '1 year'", "'0001-01-01 00:00+00'"),
    key("an API key was made in 1970, as programs write it", "'1970-01-01 00:00+00'"),
    Fault(
        "a key in the signed inventory was made younger afterwards",
        lambda: faults.key_inventory(inventory(-200), lambda text: text.replace(day(-200), day(-10))),
        {"SEC-KEY-01-signed": "fail"},
        append=SIGNED,
        lane="keys",
    ),
    Fault(
        "the listener accepts TLS 1.0",
        lambda: together(
            faults.nginx_edited(PROTOCOLS, PROTOCOLS.replace("TLSv1.2", "TLSv1 TLSv1.2")),
            old_ciphers("ECDHE-ECDSA-AES128-SHA"),
        ),
        {"SEC-TLS-01-api-443": "fail"},
        lane="nginx",
    ),
    Fault(
        "the listener offers a cipher suite that encrypts nothing",
        lambda: old_ciphers("ECDHE-ECDSA-NULL-SHA"),
        {"SEC-TLS-01-api-443": "fail"},
        lane="nginx",
    ),
    Fault(
        "a listener accepts connections and says nothing",
        faults.silent_listener,
        {"SEC-TLS-01-silent": "error", **{f"SEC-CERT-0{each}-silent": "fail" for each in (1, 2, 3)}},
        append=SILENT,
        lane="listener",
    ),
    Fault(
        "the proxy writes no access log",
        lambda: faults.nginx_edited(ACCESS_LOG, "access_log off;"),
        {"BP-SEC-03-nginx": "fail"},
        lane="nginx",
    ),
    Fault(
        "the database does not write down who connects",
        lambda: faults.server_setting("log_connections", "off"),
        {"BP-SEC-03-postgres": "fail"},
        lane="roles",
    ),
    Fault(
        "the database would write down who connects, but not at this level",
        lambda: faults.server_setting("log_min_messages", "fatal"),
        {"BP-SEC-03-postgres": "fail"},
        lane="roles",
    ),
    role("the application is a superuser", "ALTER ROLE tokenswap SUPERUSER", "ALTER ROLE tokenswap NOSUPERUSER"),
    role(
        "the application may become a superuser by SET ROLE",
        "GRANT postgres TO tokenswap",
        "REVOKE postgres FROM tokenswap",
    ),
    role(
        "the application may run programs on the server",
        "GRANT pg_execute_server_program TO tokenswap",
        "REVOKE pg_execute_server_program FROM tokenswap",
    ),
    role(
        "everyone may read a table",
        "GRANT SELECT ON swap.users TO PUBLIC",
        "REVOKE SELECT ON swap.users FROM PUBLIC",
    ),
    role(
        "everyone may read a column",
        "GRANT SELECT (wallet) ON swap.users TO PUBLIC",
        "REVOKE SELECT (wallet) ON swap.users FROM PUBLIC",
    ),
    role(
        "everyone may make tables in the schema public, as up to PostgreSQL 14",
        "GRANT CREATE ON SCHEMA public TO PUBLIC",
        "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
    ),
    role(
        "everyone may make temporary tables",
        "GRANT TEMPORARY ON DATABASE tokenswap TO PUBLIC",
        "REVOKE TEMPORARY ON DATABASE tokenswap FROM PUBLIC",
    ),
    role(
        "everyone will be able to read the tables to come",
        "ALTER DEFAULT PRIVILEGES FOR ROLE tokenswap_owner GRANT SELECT ON TABLES TO PUBLIC",
        "ALTER DEFAULT PRIVILEGES FOR ROLE tokenswap_owner REVOKE SELECT ON TABLES FROM PUBLIC",
    ),
    hba("trust"),
    hba("md5"),
    Fault(
        "new passwords are kept as MD5",
        lambda: faults.server_setting("password_encryption", "md5"),
        {"BP-SEC-02-postgres": "fail"},
        lane="roles",
    ),
    Fault(
        # Protected mode turns everybody from outside away then, whoever he is: the application would have noticed.
        "the default user of Redis needs no password, and that was made to work",
        lambda: together(faults.redis_setting("protected-mode", "no"), faults.redis_user("on nopass +ping", "default")),
        {"BP-SEC-02-redis": "fail"},
        lane="redis",
    ),
    Fault(
        "another user of Redis may administer it",
        lambda: faults.redis_user(f"on {PASSWORD} ~* +@admin"),
        {"BP-SEC-02-redis": "fail"},
        lane="redis",
    ),
    Fault(
        "Redis lets strangers in",
        lambda: faults.redis_setting("protected-mode", "no"),
        {"BP-SEC-02-redis": "fail"},
        lane="redis",
    ),
    Fault(
        "the audit has found something critical, and the security scan is 31 days old",
        lambda: together(attested_anew(critical), attestation("BP-SEC-04", dated(-31, "60d"))),
        {"BP-SEC-01-program": "fail", "BP-SEC-04-program": "fail"},
        lane="audits",
    ),
    Fault(
        "the critical finding was accepted until yesterday",
        lambda: together(attested_anew(critical), accepted(-1)),
        {"BP-SEC-01-program": "fail"},
        lane="audits",
    ),
    Fault(
        "the audit is 31 days old",
        lambda: attestation("BP-SEC-01", dated(-31, "60d")),
        {"BP-SEC-01-program": "fail"},
        lane="audits",
    ),
    Fault(
        "the result of the audit is a text that says all is well",
        lambda: attested_anew(lambda _: "# Audit\n\nAll is well.\n"),
        {"BP-SEC-01-program": "error"},
        lane="audits",
    ),
]

NEAR_MISSES = [
    NearMiss(
        "an API key is nearly 90 days old, an old one was revoked long ago",
        lambda: together(
            faults.api_key("now() - interval '90 days' + interval '1 hour'"),
            faults.api_key("now() - interval '1 year'", "now() - interval '200 days'"),
        ),
        ("SEC-KEY-01",),
        lane="keys",
    ),
    NearMiss(
        "keys are in a signed inventory",
        lambda: faults.key_inventory(inventory(-90)),
        ("SEC-KEY-01",),
        append=SIGNED,
        lane="keys",
    ),
    NearMiss(
        "the listener speaks TLS 1.3 alone",
        lambda: faults.nginx_edited(PROTOCOLS, "ssl_protocols TLSv1.3;"),
        ("SEC-TLS", "SEC-CERT"),
        lane="nginx",
    ),
    NearMiss(
        "the listener prefers other strong cipher suites",
        lambda: faults.nginx_edited(
            CIPHERS, f"ssl_prefer_server_ciphers on;\n        {CIPHERS}ECDHE-ECDSA-CHACHA20-POLY1305:"
        ),
        ("SEC-TLS",),
        lane="nginx",
    ),
    NearMiss(
        "the access log has a format with more fields",
        lambda: faults.nginx_edited(ACCESS_LOG, MAIN_FORMAT),
        ("BP-SEC-03",),
        lane="nginx",
    ),
    NearMiss(
        # That everyone may read the views of pg_stat_statements, as of any extension's own, is so all the time.
        "a rule of pg_hba rejects whoever is left",
        lambda: faults.hba_rule("host all all all reject"),
        ("BP-SEC-02", "BP-SEC-03"),
        lane="roles",
    ),
    NearMiss(
        "a superuser is one of the administrators",
        lambda: faults.sql_change("CREATE ROLE dba SUPERUSER LOGIN", "DROP ROLE dba"),
        ("BP-SEC-02",),
        lane="roles",
    ),
    NearMiss(
        "Redis has one more user, who reads",
        lambda: faults.redis_user(f"on {PASSWORD} ~cache:* -@all +@read -keys"),
        ("BP-SEC-02",),
        lane="redis",
    ),
    NearMiss(
        "the critical finding is accepted until tomorrow, audit and scan are 29 days old",
        lambda: together(
            attested_anew(critical),
            accepted(1),
            attestation("BP-SEC-01", dated(-29, "60d")),
            attestation("BP-SEC-04", dated(-29, "60d")),
        ),
        ("BP-SEC-01", "BP-SEC-04"),
        lane="audits",
    ),
]
