"""The configuration of live systems as text: what was changed shows, what changes by itself does not, secrets never."""

from __future__ import annotations

import contextlib
import copy
import json
import re
import shlex
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from opsverify.channels.guard import admit
from opsverify.channels.tls import Handshake
from opsverify.errors import InsufficientFactsError, UnansweredError, UnreachableError
from opsverify.gate.drift import compared
from opsverify.gate.story import Snapshot
from opsverify.probes import postgres_settings
from opsverify.probes.cache_settings import PARAMETERS, parse_parameters
from opsverify.probes.configuration import HOSTILE, parse_images, parse_ports, plain, snapshot
from opsverify.probes.containers import parse_inspect
from opsverify.probes.firewall_rules import parse_kernel_rules, parse_ufw_rules
from opsverify.probes.machine import parse_port_range, parse_ss
from opsverify.probes.packages import parse_dpkg, parse_rpm
from opsverify.profile import LoadedProfile, Profile
from opsverify.redaction import Redactor
from opsverify.run import Run
from tests.unit.conftest import Authority

Captured = Callable[[str], str]
DPKG = "installed\tadduser\t3.134\ninstalled\tlibc6:amd64\t2.36-9+deb12u13\nconfig-files\ttelnet\t0.17-44\n"
NO_UDP = ""
SECRET = "correct horse battery"


class Box:
    """A host that answers by the words of a question."""

    name = "node"

    def __init__(self, answers: dict[str, str], engine: dict[str, Any]) -> None:
        self.answers, self.engine = answers, engine
        self.asked: list[str] = []
        self.backend = SimpleNamespace(quote=lambda command, *_: command)
        self.spec = SimpleNamespace(
            docker_api="http://127.0.0.1:2399", compose_project="tokenswap-lab", shared_engine=True
        )

    def run(self, command: str, *arguments: str, **_: Any) -> SimpleNamespace:
        line = command % tuple(map(shlex.quote, arguments)) if arguments else command
        self.asked.append(line)
        path = line.partition(":2399")[2].strip("'")
        if path:
            found = json.dumps(self.engine[path]) + "200" if path in self.engine else "no such container404"
        else:
            found = next((answer for words, answer in self.answers.items() if words in line), "")
        rc = 0 if found else 1
        return SimpleNamespace(rc=rc, stdout=found, stdout_bytes=found.encode(), stderr="" if found else "refused")


class Tables:
    """A database that answers each of the three queries."""

    target = "postgres"

    def __init__(self, rows: list[dict[str, Any]], everything: bool = True) -> None:
        self.rows, self.everything = rows, everything
        self.roles = [{"account": "app", "database": "", "entry": "work_mem=64MB"}]

    def ask(self, query: object) -> list[dict[str, Any]]:
        if query is postgres_settings.RIGHTS:
            return [{"everything": self.everything}]
        return self.roles if query is postgres_settings.OF_ROLES else self.rows


class Keys:
    """A cache of a version that answers from a table of parameters."""

    target = "redis"

    def __init__(self, version: str, acl: list[str], **parameters: str) -> None:
        self.version, self.acl = version, acl
        self.parameters = {each.replace("_", "-"): value for each, value in parameters.items()}
        self.spec = SimpleNamespace(managed=False)
        self.asked: list[tuple[str, ...]] = []

    def ask(self, *command: str) -> Any:
        self.asked.append(command)
        if command[0] == "INFO":
            return f"redis_version:{self.version}\r\nmaxmemory:5\r\nrole:master\r\n"
        if command[0] == "ACL":
            return self.acl
        if self.version.startswith("6") and len(command) > 3:
            raise UnansweredError("wrong number of arguments")
        return [word for name in command[2:] if name in self.parameters for word in (name, self.parameters[name])]


def setting(name: str, value: str, source: str = "configuration file", pending: bool = False) -> dict[str, Any]:
    return {"name": name, "value": value, "source": source, "pending_restart": pending}


@pytest.fixture
def systems(captured: Captured, authority: Authority) -> dict[tuple[str, str], Any]:
    """A host, a database, a cache and a listener, as channels would give them."""
    redis = json.loads(captured("inspect-redis.json"))
    job = copy.deepcopy(redis) | {"Id": "job", "Name": "/nightly"}
    job["State"]["Status"] = "exited"
    listed = [{"Id": "r", "Labels": redis["Config"]["Labels"]}, {"Id": "job", "Labels": redis["Config"]["Labels"]}]
    box = Box(
        {
            "ufw status": captured("ufw-active.txt"),
            "ip6tables -S": captured("ip6tables.txt"),
            "iptables -S": captured("iptables.txt"),
            "if_inet6": " ",
            "ss -H -ltn": captured("ss.txt"),
            "ss -H -lun": "UNCONN 0 0 127.0.0.53%lo:53 0.0.0.0:*\nUNCONN 0 0 0.0.0.0:41641 0.0.0.0:*\n",
            "ip_local_port_range": "32768\t60999\n",
            "command -v": "/usr/bin/dpkg-query\n",
            "dpkg-query -f": DPKG,
            "grep -ciE": "1\n",
        },
        {
            "/containers/json?all=true": listed,
            "/containers/r/json": redis,
            "/containers/job/json": job,
        },
    )
    certificate = authority.issue("api.example").read_bytes()
    leaf = _der(certificate)
    listener = SimpleNamespace(target="api-443", handshakes=lambda: (Handshake("TLSv1.3", "x", leaf),))
    return {
        ("host", "node"): box,
        ("database", "postgres"): Tables(
            [
                setting("work_mem", "4MB"),
                setting("shared_buffers", "128MB", pending=True),
                setting("statement_timeout", "5s", "client"),
            ]
        ),
        ("cache", "redis"): Keys(
            "7.0.15", captured("redis-7-acl.txt").splitlines(), maxmemory="67108864", save="", port="6379"
        ),
        ("listener", "api-443"): listener,
    }


def _der(pem: bytes) -> bytes:
    return x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)


@pytest.fixture
def run(systems: dict[tuple[str, str], Any], tmp_path: Path) -> Run:
    secret = {"env": "X"}
    profile = Profile.model_validate(
        {
            "name": "test",
            "description": "d",
            "hosts": [{"name": "node", "connection": "local://", "docker_api": "http://127.0.0.1:2399"}],
            "databases": [
                {"name": "postgres", "address": "h:1", "dbname": "x", "user": "u", "password": secret},
            ],
            "caches": [
                {
                    "name": "redis",
                    "address": "h:1",
                    "user": "u",
                    "password": secret,
                    "config_file": {"host": "node", "path": "/etc/redis.conf"},
                }
            ],
            "listeners": [
                {
                    "name": "api-443",
                    "server_name": "api.example",
                    "connect": "h:1",
                    "certificate": {"host": "node", "path": "/c"},
                }
            ],
        }
    )
    loaded = LoadedProfile(profile, Path("profile.toml"), "0" * 64, {})
    found = Run(tmp_path, loaded, {}, tmp_path, "1", datetime.now(UTC), "pre", channels=dict(systems))  # type: ignore[arg-type]
    found.redactor.add(SECRET)
    return found


def test_everything_is_read_by_area(run: Run) -> None:
    found = snapshot(run)
    assert found.unread == {}
    assert list(found.areas) == [
        "certificate api-443",
        "config redis",
        "firewall node",
        "images node",
        "packages node",
        "pg_settings postgres",
        "ports node",
    ]
    image = "sha256:8e964dc1a9f124b85f6b728f57a88738910edd0c02120a82db00aa6271ab8207"
    assert found.areas["images node"] == {"redis": f"{image} (tokenswap-lab/redis)"}
    assert found.areas["packages node"] == {"adduser": "3.134", "libc6:amd64": "2.36-9+deb12u13"}
    assert found.areas["pg_settings postgres"] == {
        "shared_buffers": "128MB (pending restart)",
        "statement_timeout": "not shown: this account has a value of its own (client)",
        "work_mem": "4MB",
        "work_mem of role app": "64MB",
    }
    assert found.areas["config redis"] == {
        "masterauth": "set",
        "maxmemory": "67108864",
        "port": "6379",
        "requirepass": "not set",
        "save": "(empty)",
        "tls-client-key-file-pass": "set",
        "tls-key-file-pass": "set",
        **{f"user {name}": "set" for name in ("default", "legacy", "reporter", "tokenswap")},
        "version": "7.0.15",
    }
    assert set(found.areas["certificate api-443"]) == {"issuer", "not after", "serial", "sha256", "subject"}
    assert found.areas["certificate api-443"]["subject"] == "CN=api.example"
    assert re.fullmatch(r"[0-9a-f]{64}", found.areas["certificate api-443"]["sha256"])
    ports = found.areas["ports node"]
    assert {"tcp 0.0.0.0:443", "tcp [::]:22", "tcp 127.0.0.1:2399", "udp 127.0.0.53:53"} <= set(ports)
    assert not [each for each in ports if "45637" in each or "41641" in each]


def test_the_order_of_rules_is_kept(run: Run) -> None:
    wall = snapshot(run).areas["firewall node"]
    assert wall["ufw status"] == "active"
    assert wall["ufw default"] == "deny (incoming), allow (outgoing), deny (routed)"
    assert wall["ufw rules"].splitlines()[:4] == [
        "22/tcp ALLOW IN Anywhere",
        "80/tcp ALLOW IN Anywhere",
        "443/tcp ALLOW IN Anywhere",
        "3000/tcp DENY IN Anywhere",
    ]
    assert wall["IPv4 INPUT policy"] == "DROP"
    assert wall["IPv4 ufw-user-input"].startswith("-p tcp -m tcp --dport 22 -j ACCEPT\n-p tcp -m tcp --dport 80 -j")
    assert wall["IPv6 ufw6-user-input"].count("\n") == 5
    assert wall["IPv4 ufw-user-output"] == ""


def test_what_changes_by_itself_is_no_drift(run: Run, systems: dict[tuple[str, str], Any]) -> None:
    box = systems["host", "node"]
    fickle = "-N f2b-sshd\n-A f2b-sshd -s {ban}/32 -j REJECT\n-N DOCKER\n{rules}-A FORWARD -o br-{bridge} -j DOCKER\n"
    docker = "-A DOCKER -d 172.18.0.{}/32 ! -i br-0123456789ab -o br-0123456789ab -p tcp -m tcp --dport {} -j ACCEPT\n"
    table = box.answers["iptables -S"]
    box.answers["iptables -S"] = table + fickle.format(
        ban="203.0.113.9", rules=docker.format(2, 5432) + docker.format(3, 6379), bridge="0123456789ab"
    )
    before = snapshot(run)
    box.answers["iptables -S"] = table + fickle.format(
        ban="198.51.100.7", rules=docker.format(2, 6379) + docker.format(9, 5432), bridge="ba9876543210"
    )
    box.answers["ss -H -ltn"] = box.answers["ss -H -ltn"].replace("45637", "38121")
    box.answers["ss -H -lun"] = box.answers["ss -H -lun"].replace("41641", "50000")
    redis = box.engine["/containers/r/json"]
    redis |= {"RestartCount": 3, "Id": "another", "Created": "2026-11-24T02:55:25.2Z"}
    redis["State"]["Health"]["Status"] = "starting"
    after = snapshot(run)
    assert compared(before, after, []).drift == []
    assert "a container" in before.areas["firewall node"]["IPv4 DOCKER"]
    assert "203.0.113.9" not in str(before)


@pytest.mark.parametrize(
    ("area", "name", "change"),
    [
        (
            "images node",
            "redis",
            lambda all_: all_["host", "node"].engine["/containers/r/json"].update(Image="sha256:0"),
        ),
        ("pg_settings postgres", "work_mem", lambda all_: all_["database", "postgres"].rows[0].update(value="8MB")),
        (
            "pg_settings postgres",
            "work_mem",
            lambda all_: all_["database", "postgres"].rows[0].update(pending_restart=True),
        ),
        (
            "pg_settings postgres",
            "work_mem of role app",
            lambda all_: all_["database", "postgres"].roles[0].update(entry="work_mem=1GB"),
        ),
        ("config redis", "maxmemory", lambda all_: all_["cache", "redis"].parameters.update(maxmemory="1")),
        (
            "config redis",
            "requirepass",
            lambda all_: all_["cache", "redis"].acl.__setitem__(0, "user default on #ab +@all"),
        ),
        (
            "config redis",
            "user intruder",
            lambda all_: all_["cache", "redis"].acl.append("user intruder on nopass +@all"),
        ),
        (
            "packages node",
            "adduser",
            lambda all_: all_["host", "node"].answers.update({"dpkg-query -f": DPKG.replace("3.134", "3.135")}),
        ),
        (
            "ports node",
            "tcp 0.0.0.0:50000",
            lambda all_: all_["host", "node"].answers.update(
                {"ss -H -ltn": all_["host", "node"].answers["ss -H -ltn"] + "LISTEN 0 5 0.0.0.0:50000 0.0.0.0:*\n"}
            ),
        ),
        (
            "firewall node",
            "IPv4 INPUT",
            lambda all_: all_["host", "node"].answers.update(
                {"iptables -S": all_["host", "node"].answers["iptables -S"] + "-A INPUT -p tcp --dport 1 -j ACCEPT\n"}
            ),
        ),
    ],
)
def test_what_somebody_changed_is_drift(
    run: Run, systems: dict[tuple[str, str], Any], area: str, name: str, change: Callable[[Any], None]
) -> None:
    before = snapshot(run)
    change(systems)
    found = compared(before, snapshot(run), [])
    assert {(each.area, each.name) for each in found.drift} == {(area, name)}
    assert {each.effect for each in found.drift} == {"WARN"}


def test_no_secret_is_in_a_snapshot(run: Run, systems: dict[tuple[str, str], Any]) -> None:
    systems["database", "postgres"].rows.append(setting("cluster_name", f"x {SECRET} y"))
    systems["cache", "redis"].acl.append(f"user plain on >{SECRET} +@all")
    found = str(snapshot(run))
    assert SECRET not in found
    assert "#b25753bb" not in found
    assert not any("masterauth" in command for command in systems["cache", "redis"].asked)
    grep = [each for each in systems["host", "node"].asked if "masterauth" in each]
    assert len(grep) == 1
    assert grep[0].startswith("grep -ciE ")


def test_an_area_that_cannot_be_read_says_why_and_leaves_the_others_be(
    run: Run, systems: dict[tuple[str, str], Any]
) -> None:
    systems["host", "node"].answers["ufw status"] = ""
    systems["database", "postgres"].everything = False
    systems["cache", "redis"].ask = lambda *_: (_ for _ in ()).throw(UnreachableError("cache redis is down"))
    systems["listener", "api-443"].handshakes = lambda: 1 / 0
    found = snapshot(run)
    assert found.unread == {
        "certificate api-443": "api-443: ZeroDivisionError: division by zero",
        "config redis": "cache redis is down",
        "firewall node": "host node: asked 'sudo -n ufw status verbose', it ended with status 1 and said: refused",
        "pg_settings postgres": "database postgres: parameters that only administrators may see are hidden from this"
        " account; grant it pg_monitor",
    }
    assert "IPv4 INPUT" in found.areas["firewall node"]
    assert found.areas["pg_settings postgres"]["work_mem"] == "4MB"
    assert set(found.areas["config redis"]) == {"masterauth", "tls-key-file-pass", "tls-client-key-file-pass"}
    assert "packages node" in found.areas


@pytest.mark.parametrize("answers", [{}, {"command -v": "", "rpm -qa": "vim.x86_64\t2:8.2-1\n"}])
def test_every_question_to_a_host_is_on_the_read_only_list(
    run: Run, systems: dict[tuple[str, str], Any], answers: dict[str, str]
) -> None:
    systems["host", "node"].answers |= answers
    assert snapshot(run).unread == {}
    asked = systems["host", "node"].asked
    assert len(asked) > 10
    for question in asked:
        assert admit(question)


def test_a_managed_cache_tells_what_info_has(run: Run, systems: dict[tuple[str, str], Any]) -> None:
    cache = systems["cache", "redis"]
    cache.spec.managed = True
    found = snapshot(run).areas["config redis"]
    assert {name: found[name] for name in ("version", "maxmemory", "role")} == {
        "version": "7.0.15",
        "maxmemory": "5",
        "role": "master",
    }
    assert not [each for each in cache.asked if each[0] == "CONFIG"]


def test_before_redis_7_each_parameter_is_a_question_of_its_own(run: Run, systems: dict[tuple[str, str], Any]) -> None:
    systems["cache", "redis"].version = "6.2.14"
    systems["cache", "redis"].parameters["lua-time-limit"] = "5000"
    found = snapshot(run)
    assert found.unread == {}
    assert found.areas["config redis"]["lua-time-limit"] == "5000"
    assert found.areas["config redis"]["maxmemory"] == "67108864"


def test_no_pattern_and_no_secret_is_among_the_parameters() -> None:
    assert len(set(PARAMETERS)) == len(PARAMETERS) > 150
    assert not [each for each in PARAMETERS if not re.fullmatch(r"[a-z0-9-]+", each)]
    assert not [each for each in PARAMETERS if re.search(r"pass|auth$|masteruser|primaryuser", each)]


@pytest.mark.parametrize(
    "answer", ["x", ["maxmemory"], ["maxmemory", 1], ["requirepass", "x"], None, {"maxmemory": "1"}]
)
def test_an_answer_that_is_no_list_of_what_was_asked_is_an_error(answer: object) -> None:
    with pytest.raises(UnansweredError, match="CONFIG GET"):
        parse_parameters(["maxmemory"], answer)


def test_what_pg_settings_shows_by_source() -> None:
    rows = [setting("a", "1", "default"), setting("b", "2", "database"), setting("c", "3", "user")]
    assert postgres_settings.parse_settings(rows) == {
        "a": "1",
        "b": "2",
        "c": "not shown: this account has a value of its own (user)",
    }
    with pytest.raises(InsufficientFactsError):
        postgres_settings.parse_settings([])


def test_settings_of_roles_say_whose_they_are() -> None:
    rows = [
        {"account": "app", "database": "", "entry": "work_mem=64MB"},
        {"account": "", "database": "shop", "entry": "search_path=a, b=c"},
        {"account": "app", "database": "shop", "entry": "app.jwt_secret=set"},
        {"account": "", "database": "", "entry": "work_mem=1MB"},
    ]
    assert postgres_settings.parse_settings_of_roles(rows) == {
        "work_mem of role app": "64MB",
        "search_path in database shop": "a, b=c",
        "app.jwt_secret of role app in database shop": "set",
        "work_mem of all roles": "1MB",
    }


def test_images_are_named_by_service_of_what_runs(captured: Captured) -> None:
    whole = json.loads(captured("inspect-redis.json"))

    def container(name: str, image: str, status: str = "running", **labels: str) -> Any:
        each = copy.deepcopy(whole) | {"Name": f"/{name}", "Image": image}
        each["State"]["Status"] = status
        each["Config"]["Labels"] = {f"com.docker.compose.{key}": value for key, value in labels.items()}
        return parse_inspect(each)

    shop = {"project": "shop"}
    found = parse_images(
        "shop",
        [
            container("shop_api_1", "sha256:1", service="api", **shop),
            container("shop_api_2", "sha256:2", "paused", service="api", **shop),
            container("shop_api_run", "sha256:3", service="api", oneoff="True", **shop),
            container("old", "sha256:4", "exited", service="api", **shop),
            container("x", "sha256:5", service="api", project="other"),
            container("by-hand", "sha256:6"),
        ],
    )
    assert found == {
        "api": "sha256:1 (tokenswap-lab/redis), sha256:2 (tokenswap-lab/redis)",
        "other/api": "sha256:5 (tokenswap-lab/redis)",
        "by-hand": "sha256:6 (tokenswap-lab/redis)",
    }


def test_what_listens_to_the_world_on_an_ephemeral_port_is_shown() -> None:
    tcp = parse_ss(
        "LISTEN 0 5 0.0.0.0:40000 0.0.0.0:*\nLISTEN 0 5 127.0.0.11:40001 0.0.0.0:*\nLISTEN 0 5 [::1]:40002 [::]:*\n"
        "LISTEN 0 5 [::ffff:127.0.0.1]:40003 *:*\nLISTEN 0 5 127.0.0.1:3000 0.0.0.0:*\nLISTEN 0 5 *:40004 *:*\n"
    )
    udp = parse_ss("UNCONN 0 0 0.0.0.0:40000 0.0.0.0:*\nUNCONN 0 0 0.0.0.0%eth0:68 0.0.0.0:*\n", "UNCONN")
    found = parse_ports(tcp, udp, parse_port_range("32768\t60999\n"))
    assert list(found) == ["tcp 0.0.0.0:40000", "tcp 127.0.0.1:3000", "tcp *:40004", "udp 0.0.0.0:68"]


@pytest.mark.parametrize("text", ["", "32768", "a b", "1 2 3"])
def test_a_range_of_ports_that_is_none_is_an_error(text: str) -> None:
    with pytest.raises(UnansweredError, match="ip_local_port_range"):
        parse_port_range(text)


def test_packages_that_are_not_installed_in_full_say_so() -> None:
    text = DPKG + "half-configured\tnginx\t1.22.1-9\nnot-installed\tx\t\n"
    assert parse_dpkg(text)["nginx"] == "1.22.1-9 (half-configured)"
    assert set(parse_dpkg(text)) == {"adduser", "libc6:amd64", "nginx"}


def test_packages_of_rpm() -> None:
    kernels = "kernel.x86_64\t0:5.14.0-2.el9\nkernel.x86_64\t0:5.14.0-1.el9\n"
    text = f"{kernels}gpg-pubkey.(none)\t0:8483c65d-5ccc5b19\nvim.x86_64\t2:8.2-1\n"
    assert parse_rpm(text) == {
        "kernel.x86_64": "5.14.0-1.el9, 5.14.0-2.el9",
        "gpg-pubkey.(none)": "8483c65d-5ccc5b19",
        "vim.x86_64": "2:8.2-1",
    }


@pytest.mark.parametrize("text", ["", "\n", "installed\tX Y\t1\n", "installed adduser 1\n"])
def test_packages_that_are_not_understood_are_an_error(text: str) -> None:
    for parse in (parse_dpkg, parse_rpm):
        with pytest.raises(UnansweredError):
            parse(text)


def test_where_there_is_no_dpkg_rpm_is_asked(run: Run, systems: dict[tuple[str, str], Any]) -> None:
    systems["host", "node"].answers |= {"command -v": "", "rpm -qa": "vim.x86_64\t2:8.2-1\n"}
    assert snapshot(run).areas["packages node"] == {"vim.x86_64": "2:8.2-1"}


@given(st.text(max_size=60))
def test_hostile_text_is_read_or_an_error_and_shows_no_control_character(text: str) -> None:
    for parse in (
        parse_dpkg,
        parse_rpm,
        parse_port_range,
        parse_ufw_rules,
        lambda each: parse_ss(each, "UNCONN"),
        lambda each: parse_kernel_rules("IPv4", f"-P INPUT DROP\n{each}"),
    ):
        with contextlib.suppress(UnansweredError):
            parse(text)


def test_control_characters_are_spelled_out(run: Run, systems: dict[tuple[str, str], Any]) -> None:
    systems["database", "postgres"].rows = [setting("log_line_prefix", "%m\n\x1b[2J\u202e\ud800 ok")]
    found: Snapshot = snapshot(run)
    value = found.areas["pg_settings postgres"]["log_line_prefix"]
    assert value == r"%m\n\x1b[2J\u202e\ud800 ok"
    assert not HOSTILE.search(value)


@given(st.lists(st.sampled_from(["password", "=", ":", "\n", "\t", " ", "a", "'", '"', "#" + "0" * 64, "user x >y"])))
def test_what_is_written_and_read_back_is_the_same(words: list[str]) -> None:
    redactor = Redactor()
    once = plain(redactor, "".join(words))
    assert redactor.text(once) == plain(redactor, once) == once


@pytest.mark.parametrize(
    ("name", "confidential"),
    [
        ("primary_conninfo", True),
        ("ssl_passphrase_command", True),
        ("app.jwt_secret", True),
        ("app.settings.API_KEY", True),
        ("citus.node_conninfo", True),
        ("my.db_password", True),
        ("password_encryption", False),
        ("ssl_passphrase_command_supports_reload", False),
        ("ssl_key_file", False),
        ("pg_stat_statements.track", False),
        ("auto_explain.log_min_duration", False),
    ],
)
def test_parameters_that_may_hold_a_secret_never_leave_the_server(name: str, confidential: bool) -> None:
    """By the very lists that the queries have; that PostgreSQL reads them so was tried on a server of version 15."""
    exact, dotted = re.fullmatch(
        r"\(x IN \((.*?)\) OR \(x LIKE '%\.%' AND x ~\* '(.*?)'\)\)",
        postgres_settings.CONFIDENTIAL.format(name="x"),
    ).groups()  # type: ignore[union-attr]
    hidden = f"'{name}'" in exact or ("." in name and re.search(dotted, name, re.IGNORECASE) is not None)
    assert hidden is confidential
    for query in (postgres_settings.SETTINGS, postgres_settings.OF_ROLES):
        assert exact in query.text
        assert dotted in query.text
