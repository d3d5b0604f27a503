"""What a profile may say of databases, caches, replicas, pages, vantages and scripts, and where their questions go."""

from __future__ import annotations

from pathlib import Path

import pytest

from opsverify.errors import UsageError
from opsverify.profile import LoadedProfile
from opsverify.targets import CONNECTIONS, Program
from tests.unit.test_profile import load_text

WHOLE = """
name = "test"
description = "d"
[[hosts]]
name = "node"
connection = "ssh://ops@node.example"
[[hosts]]
name = "box"
connection = "docker://box"
[[services]]
name = "api"
role = "api"
host = "node"
[[services]]
name = "proxy"
role = "nginx"
host = "box"
logs = "events"
api = "api"
[[databases]]
name = "pg"
address = "127.0.0.1:5432"
dbname = "x"
user = "u"
password = { env = "TEST_SECRET" }
[[databases]]
name = "cloud"
managed = true
via = "node"
address = "db.example:5432"
dbname = "x"
user = "u"
password = { env = "TEST_SECRET" }
[[replicas]]
name = "replica-1"
database = "pg"
[[replicas]]
name = "replica-2"
database = "cloud"
application_name = "walreceiver 2"
[[caches]]
name = "redis"
address = "127.0.0.1:6379"
user = "ops"
password = { env = "TEST_SECRET" }
config_file = { host = "node", path = "/etc/redis.conf" }
[[caches]]
name = "elastic"
managed = true
via = "node"
app_user = "app"
address = "cache.example:6379"
user = "ops"
password = { env = "TEST_SECRET" }
[[apis]]
name = "api"
url = "https://api.example"
[[links]]
name = "dashboards"
role = "grafana"
url = "https://grafana.example"
[[links]]
name = "logs"
role = "kibana"
url = "https://kibana.example"
[[links]]
name = "status"
role = "status"
url = "https://status.example"
marker = "Our status"
[[prometheus]]
name = "prom"
url = "http://127.0.0.1:9090"
api_job = "api"
instances = ["node"]
[[vantages]]
name = "outside"
url = "http://probe.example:9115"
module = "health"
target = "https://api.example/health"
[[scripts]]
name = "daily"
role = "daily"
host = "node"
path = "/opt/daily.sh"
runs = "/var/lib/daily.jsonl"
[[listeners]]
name = "edge"
server_name = "api.example"
connect = "127.0.0.1:443"
certificate = { host = "box", path = "/etc/a.crt" }
[[backups]]
name = "nightly"
host = "box"
database = "/b"
manifest = "/SUMS"
sensitive = ["/s"]
base = "/base"
wal = "/wal"
provider = "us"
production = { provider = "us" }
[program]
resolver = "127.0.0.1:53"
"""


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_SECRET", "hunter22")


@pytest.fixture
def whole(tmp_path: Path) -> LoadedProfile:
    return load_text(tmp_path, WHOLE)


@pytest.mark.parametrize(
    ("kind", "name", "place"),
    [
        ("host", "node", "node"),
        ("service", "api", "node"),
        ("service.nginx", "proxy", "box"),
        ("database", "pg", "database-pg"),
        ("database", "cloud", "node"),
        ("replica", "replica-1", "database-pg"),
        ("replica", "replica-2", "node"),
        ("cache", "redis", "cache-redis"),
        ("cache", "elastic", "node"),
        ("api", "api", "api-api"),
        ("link", "status", "link-status"),
        ("link.grafana", "dashboards", "link.grafana-dashboards"),
        ("prometheus", "prom", "prometheus-prom"),
        ("vantage", "outside", "vantage-outside"),
        ("script", "daily", "node"),
        ("script.daily", "daily", "node"),
        ("listener", "edge", "listener-edge"),
        ("backups", "nightly", "box"),
        ("program", "program", "program-program"),
        ("host", "nowhere", "host-nowhere"),
        ("service.redis", "api", "service.redis-api"),
    ],
)
def test_questions_go_to_the_host_of_a_target_or_to_itself(
    whole: LoadedProfile, kind: str, name: str, place: str
) -> None:
    assert whole.profile.place(kind, name) == place  # type: ignore[arg-type]


def test_what_is_not_said_is_what_it_usually_is(whole: LoadedProfile) -> None:
    profile = whole.profile
    assert [(each.managed, each.via) for each in profile.databases] == [(False, None), (True, "node")]
    assert [(each.managed, each.via, each.host) for each in profile.caches] == [
        (False, None, "node"),
        (True, "node", None),
    ]
    assert [each.app_user for each in profile.caches] == ["default", "app"]
    assert [each.application_name for each in profile.replicas] == [None, "walreceiver 2"]
    assert [each.logs for each in profile.services] == ["continuous", "events"]
    assert profile.program == Program(resolver="127.0.0.1:53")


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("link", ["dashboards", "logs", "status"]),
        ("link.kibana", ["logs"]),
        ("link.docs", []),
        ("script.audit", []),
        ("vantage", ["outside"]),
        ("replica", ["replica-1", "replica-2"]),
        ("program", ["program"]),
    ],
)
def test_targets_of_every_kind_are_listed(whole: LoadedProfile, kind: str, names: list[str]) -> None:
    assert [each.name for each in whole.profile.targets(kind)] == names  # type: ignore[arg-type]


def test_a_profile_without_a_program_has_one_all_the_same(tmp_path: Path) -> None:
    found = load_text(tmp_path, WHOLE[: WHOLE.index("[program]")]).profile
    assert [each.name for each in found.targets("program")] == ["program"]


CONFIG = 'config_file = { host = "node", path = "/etc/redis.conf" }\n'
VIA = 'url = "http://probe.example:9115"\n'
TARGET = 'target = "https://api.example/health"\n'
MARKER = 'marker = "Our status"\n'


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        # managed and config_file
        (CONFIG, "", "caches.0: expected either config_file = { host, path } or managed = true"),
        (
            CONFIG,
            CONFIG + "managed = true\n",
            "caches.0: expected either config_file = { host, path } or managed = true",
        ),
        (CONFIG, CONFIG.replace("/etc", "etc"), "caches.0.config_file.path: String should match pattern"),
        (
            CONFIG,
            CONFIG.replace("node", "nod"),
            "cache redis: host: 'nod' is no host of this profile (it has: box, node)",
        ),
        (CONFIG, CONFIG.replace(', path = "/etc/redis.conf"', ""), "caches.0.config_file.path: Field required"),
        ("managed = true", 'managed = "yes"', "databases.1.managed: Input should be a valid boolean"),
        ('app_user = "app"', 'app_user = ""', "caches.1.app_user: String should have at least 1 character"),
        # via
        ('via = "node"', 'via = "nod"', "database cloud: via: 'nod' is no host of this profile (it has: box, node)"),
        ('via = "node"', 'via = "box"', "databases.cloud.via: host 'box' is not reached over ssh://"),
        ('via = "node"', 'via = ""', "databases.1.via: String should match pattern"),
        (
            'via = "node"\napp_user',
            'via = "box"\napp_user',
            "caches.elastic.via: host 'box' is not reached over ssh://",
        ),
        ('via = "node"\napp_user', 'via = "pg"\napp_user', "cache elastic: via: 'pg' is no host of this profile"),
        # replicas
        (
            'database = "pg"',
            'database = "gp"',
            "replica replica-1: database: 'gp' is no database of this profile (it has: cloud, pg)",
        ),
        ('database = "pg"\n', "", "replicas.0.database: Field required"),
        ('name = "replica-2"', 'name = "replica-1"', "replica: the name 'replica-1' is given twice"),
        ('name = "replica-1"', 'name = "Replica 1"', "replicas.0.name: String should match pattern"),
        ('"walreceiver 2"', '" "', "replicas.1.application_name: String should have at least 1 character"),
        # links
        (MARKER, "", "links.2: expected marker, a text that only this page shows"),
        (MARKER, 'marker = ""\n', "links.2.marker: String should have at least 1 character"),
        ('role = "status"', 'role = "docs"\nmark = "x"', "links.2.mark: unknown key"),
        ('role = "status"', 'role = "wiki"', "links.2.role: Input should be 'grafana', 'kibana', 'status' or 'docs'"),
        ('"https://status.example"', '"ftp://status.example"', "links.2.url: String should match pattern"),
        ('"https://status.example"', '"https://"', "links.2.url: String should match pattern"),
        ('name = "logs"', 'name = "dashboards"', "link: the name 'dashboards' is given twice"),
        # vantages
        (VIA, "", "vantages.0.url: Field required"),
        (VIA, 'url = "probe.example:9115"\n', "vantages.0.url: String should match pattern"),
        (VIA, f'{VIA}prometheus = "prom"\n', "vantages.0.prometheus: unknown key"),
        (VIA, f'{VIA}connect = "probe"\n', "vantages.0.connect: expected host:port"),
        ('module = "health"\n', "", "vantages.0.module: Field required"),
        ('module = "health"', 'module = ""', "vantages.0.module: String should have at least 1 character"),
        (TARGET, f'{TARGET}job = "outside"\n', "vantages.0.job: unknown key"),
        (TARGET, "", "vantages.0.target: Field required"),
        (TARGET, "target = 1\n", "vantages.0.target: Input should be a valid string"),
        (TARGET, TARGET.replace("https", "http"), "vantages.0.target: String should match pattern"),
        (TARGET, TARGET.replace("https://", ""), "vantages.0.target: String should match pattern"),
        (TARGET, TARGET.replace("api.example/health", ""), "vantages.0.target: String should match pattern"),
        (TARGET, TARGET.replace("/health", "/he alth"), "vantages.0.target: String should match pattern"),
        (TARGET, TARGET.replace("https", " https"), "vantages.0.target: String should match pattern"),
        # scripts
        ('path = "/opt/daily.sh"', 'path = "daily.sh"', "scripts.0.path: String should match pattern"),
        ('path = "/opt/daily.sh"', 'path = "/opt/a b.sh"', "scripts.0.path: String should match pattern"),
        ('runs = "/var/lib/daily.jsonl"\n', "", "scripts.0: expected runs, the file that keeps a record of each run"),
        ('role = "daily"', 'role = "weekly"', "scripts.0.role: Input should be 'daily', 'verify-backup', 'audit'"),
        ('role = "daily"', 'role = "deploy"', "scripts.0: expected api, the name of the API whose health it asks for"),
        ('role = "daily"', 'role = "deploy"\napi = "web"', "script daily: api: 'web' is no api of this profile"),
        ('role = "daily"\nhost = "node"', 'role = "daily"\nhost = "nod"', "script daily: host: 'nod' is no host"),
        # services, listeners, program
        ('logs = "events"', 'logs = "never"', "services.1.logs: Input should be 'continuous' or 'events'"),
        ('certificate = { host = "box"', 'certificate = { host = "xob"', "listener edge: host: 'xob' is no host"),
        ('resolver = "127.0.0.1:53"', 'resolver = "127.0.0.1"', "program.resolver: expected host:port"),
        ('resolver = "127.0.0.1:53"', 'roster = ""', "program.roster: String should have at least 1 character"),
        ('resolver = "127.0.0.1:53"', 'rooster = "x"', "program.rooster: unknown key"),
        ('resolver = "127.0.0.1:53"', 'name = "The Program"', "program.name: String should match pattern"),
    ],
)
def test_bad_input_ends_in_one_line_with_file_and_key(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in WHOLE
    with pytest.raises(UsageError) as error:
        load_text(tmp_path, WHOLE.replace(old, new, 1))
    assert str(error.value).startswith("profiles/test/profile.toml: ")
    assert said in str(error.value)
    assert "\n" not in str(error.value)
    assert "hunter22" not in str(error.value)


@pytest.mark.parametrize("scheme", CONNECTIONS)
def test_only_over_ssh_can_another_target_be_reached(tmp_path: Path, scheme: str) -> None:
    text = WHOLE.replace("ssh://ops@node.example", f"{scheme}://node")
    if scheme == "ssh":
        assert load_text(tmp_path, text).profile.databases[1].via == "node"
    else:
        with pytest.raises(UsageError, match=r"databases\.cloud\.via: host 'node' is not reached over ssh://"):
            load_text(tmp_path, text)


def test_a_reference_into_nothing_says_that_there_is_none(tmp_path: Path) -> None:
    text = WHOLE[: WHOLE.index("[[databases]]")] + WHOLE[WHOLE.index("[[replicas]]") :]
    with pytest.raises(UsageError, match=r"'pg' is no database of this profile \(it has: none\)"):
        load_text(tmp_path, text)


def test_a_vantage_needs_no_prometheus(tmp_path: Path) -> None:
    text = WHOLE[: WHOLE.index("[[prometheus]]")] + WHOLE[WHOLE.index("[[vantages]]") :]
    (found,) = load_text(tmp_path, text).profile.vantages
    assert (found.module, found.target, found.timeout_s) == ("health", "https://api.example/health", 10)
