"""Logs that the journal or the Docker engine keeps: what the tools say of them, and how it is judged."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from math import inf, isnan
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsverify import targets
from opsverify.channels.shell import Host, ShellChannel
from opsverify.errors import InsufficientFactsError, UnansweredError
from opsverify.judgement import Limits, unmet
from opsverify.probes.container_logs import in_containers, of_containers
from opsverify.probes.containers import Container, parse_inspect
from opsverify.probes.deleters import Deleters
from opsverify.probes.journal_deletions import of_journal
from opsverify.probes.journals import (
    Journal,
    Setting,
    parse_counts,
    parse_files,
    parse_filesystem,
    parse_oldest,
    parse_settings,
    parse_usage,
)
from opsverify.probes.logrotate import Configuration
from opsverify.probes.schedules import Schedule
from opsverify.probes.systemd_units import parse_size, parse_span
from opsverify.rules.journal import journal_deletes_nothing_too_early
from opsverify.rules.retention import nothing_deletes_too_early
from opsverify.shell.deletions import Deleter
from opsverify.shell.facts import Job, Text
from opsverify.shell.runs import Reader
from opsverify.stores import ContainerLogs
from opsverify.transcript import Transcript

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
DAY, MIB, GIB = 86400, 1024.0**2, 1024.0**3
LimitsOf = Callable[[str], Limits]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1month", 2629800),
        ("2w 3d", 17 * DAY),
        ("2592000", 30 * DAY),
        ("0", 0),
        ("1.5h", 5400),
        ("1y12month", 2 * 31557600),
        ("3M", 3 * 2629800),
        ("3m", 180),
        (" 2h 30min ", 9000),
        ("50ms", 0.05),
        ("infinity", inf),
    ],
)
def test_time_spans_are_what_systemd_takes_them_for(text: str, seconds: float) -> None:
    assert parse_span(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", " ", "-1d", "1fortnight", "d", "1d,2h", "1..5d", "infinity 1d", "9" * 300])
def test_another_time_span_is_none(text: str) -> None:
    with pytest.raises(UnansweredError, match="time span"):
        parse_span(text)


@given(st.text(st.sampled_from("0123456789. dwMmhsy\u00b5") | st.characters(), max_size=40))
def test_no_span_or_size_breaks_its_parser(text: str) -> None:
    for parse in (parse_span, parse_size):
        with contextlib.suppress(UnansweredError):
            assert not isnan(parse(text))


@pytest.mark.parametrize(
    ("text", "size"), [("500M", 500 * MIB), ("1.5G", 1.5 * GIB), ("4096", 4096), ("8K", 8192), ("infinity", inf)]
)
def test_sizes_are_what_systemd_takes_them_for(text: str, size: float) -> None:
    assert parse_size(text) == size


def test_the_configuration_of_a_real_host(captured: Callable[[str], str]) -> None:
    drop_in = "/etc/systemd/journald.conf.d/lab.conf"
    assert parse_settings(captured("journald-conf.txt")) == {
        "Storage": Setting("persistent", drop_in),
        "MaxRetentionSec": Setting("100day", drop_in),  # the empty one of a later file changes nothing
        "MaxFileSec": Setting("1week", drop_in),
        "SystemMaxUse": Setting("2G", "/etc/systemd/journald.conf.d/zz.conf"),
    }


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("[Journal]\nMaxRetentionSec=1d\nMaxRetentionSec = 2d ", "2d"),
        ("[Journal]\n# a comment \\\nMaxRetentionSec=7d", "7d"),
        ("[Journal]\nMaxRetentionSec=\\\n; a comment\n 7d", "7d"),
        ("[Journal]\nMaxRetentionSec=7d\n[Other]\nMaxRetentionSec=90d", "7d"),
        ("[Journal]\n#MaxRetentionSec=7d", None),
    ],
)
def test_a_setting_is_the_last_of_its_section(text: str, value: str | None) -> None:
    found = parse_settings(f"# /etc/systemd/journald.conf\n{text}\n").get("MaxRetentionSec")
    assert (found.value if found else None) == value


@pytest.mark.parametrize(
    "text",
    [
        "[Journal]\nMaxRetentionSec=soon",
        "[Journal]\nStorage=tape",
        "[Journal]\nSystemMaxUse=10%",
        "[Journal]\nnonsense",
        "MaxRetentionSec=90d",
        "[Journal]\n# /etc/looks/like/a/file.conf\nMaxRetentionSec=7d",
    ],
)
def test_a_setting_that_is_not_understood_is_an_error(text: str) -> None:
    with pytest.raises(UnansweredError):
        parse_settings(text)


def test_entries_are_counted_by_utc_day() -> None:
    text = (
        "      3 __REALTIME_TIMESTAMP=17927999\n"  # 2026-10-24T23:58:20
        "     12 __REALTIME_TIMESTAMP=17928000\n"  # the day after, from its first second
        "      1 __REALTIME_TIMESTAMP=17928863\n"
    )
    assert parse_counts(text) == {date(2026, 10, 23): 3, date(2026, 10, 24): 13}
    assert parse_counts("") == {}


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (parse_counts, "      1 __REALTIME_TIMESTAMP=1792\n"),
        (parse_files, "x\t/var/log/journal/a\0"),
        (parse_usage, "Archived and active journals are many."),
        (parse_filesystem, "ext4|4096|many|1"),
        (parse_oldest, "__CURSOR=s=1\n"),
    ],
)
def test_what_is_not_understood_is_an_error(parse: Callable[[str], Any], text: str) -> None:
    with pytest.raises(UnansweredError, match="not understood"):
        parse(text)


@given(st.text(st.sampled_from("_REALTIMSP=0123456789\n\t\0nr |") | st.characters(), max_size=60))
def test_no_answer_breaks_a_parser(text: str) -> None:
    for parse in (parse_counts, parse_files, parse_usage, parse_filesystem, parse_oldest, parse_settings):
        with contextlib.suppress(UnansweredError):
            parse(text)


def test_the_answers_of_a_real_journal() -> None:
    assert parse_usage("Archived and active journals take up 8.0M in the file system.\n") == 8 * MIB
    assert parse_usage("Archived and active journals take up 0B in the file system.\n") == 0
    assert parse_filesystem("overlayfs|4096|66053021|19306925\n") == ("overlayfs", 270553174016, 79081164800)
    both = "r\t/a/system.journal\0{}\t/a/user-7.journal\0"
    assert parse_files(both.format("r")) == ("/a/system.journal", "/a/user-7.journal")
    with pytest.raises(UnansweredError, match=r"1 of its files may not be read, such as /a/user-7\.journal"):
        parse_files(both.format("n"))
    oldest = "__CURSOR=s=a3;i=1;b=1\n__REALTIME_TIMESTAMP=1792368300000000\n__MONOTONIC_TIMESTAMP=300000000\n"
    assert parse_oldest(oldest) == datetime(2026, 10, 19, 0, 5, tzinfo=UTC)
    assert parse_oldest("") is None


# ---- what deletes in a journal


FILE = "/var/log/journal/1af451b61ab44971b851a67d8d536666/system.journal"


def journal(filesystem: str = "ext4", used: float = 8 * MIB, age: float | None = 35, **settings: str) -> Journal:
    found = {key: Setting(value, "/etc/x.conf") for key, value in settings.items()}
    oldest = None if age is None else NOW - timedelta(days=age)
    return Journal(found, ("/var/log/journal",), filesystem, 100 * GIB, 50 * GIB, used, (FILE,), oldest)


def schedule(*commands: str, texts: dict[str, str] | None = None) -> Schedule:
    reader = Reader({path: Text("shell", text) for path, text in (texts or {}).items()})
    for number, command in enumerate(commands, 1):
        reader.job(Job(f"/etc/cron.d/x:{number}", command))
    return Schedule("node", reader.followed(), Configuration([], []), (), {"commands": 9}, ())


def kept(found: Deleters) -> list[float | str | None]:
    return [each.doubt or each.keeps_days for each in found.found]


@pytest.mark.parametrize(
    ("settings", "days"),
    [
        ({}, [inf]),
        ({"MaxRetentionSec": "0"}, [inf]),
        ({"MaxRetentionSec": "infinity"}, [inf]),
        ({"MaxRetentionSec": "7day"}, [0]),
        ({"MaxRetentionSec": "40day"}, [9.5625]),
        ({"MaxRetentionSec": "40day", "MaxFileSec": "1day"}, [39]),
        ({"MaxRetentionSec": "40day", "MaxFileSec": "0"}, [None]),
        ({"Storage": "persistent"}, [inf]),
        ({"Storage": "volatile"}, [0, inf]),
        ({"Storage": "none"}, [0, inf]),
        ({"filesystem": ""}, [0, inf]),
        ({"filesystem": "", "Storage": "persistent"}, [inf]),
        ({"filesystem": "tmpfs", "Storage": "persistent"}, [0, inf]),
    ],
)
def test_journald_keeps_the_age_less_the_span_of_a_file(settings: dict[str, str], days: list[float | None]) -> None:
    assert kept(of_journal(schedule("true"), journal(**settings))) == days  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("command", "days"),
    [
        ("journalctl --vacuum-time=40d", [33]),
        ("/usr/bin/journalctl --rotate --vacuum-time 2weeks", [7]),
        ("nice journalctl --vacuum-t=40d", [33]),
        ("journalctl --vacuum-size=500M", [None]),
        ("journalctl --vacuum-files 5 --vacuum-time=40d", [None, 33]),
        ("journalctl --vacuum-time=$UNKNOWN", ["the age that it keeps cannot be told"]),
        ("journalctl --vacuum-time=soon", ["this time span is not understood: 'soon'"]),
        ("journalctl $UNKNOWN", ["which options it is given cannot be told"]),
        ('journalctl -u "$UNKNOWN" -n 5', []),
        ("journalctl --version", []),
        ("journalctl --verify", []),
        ("echo journalctl-vacuum", []),
        ("find /var/log -name '*.gz' -mtime +7 -delete", []),
        ("find /var/log ! -name '*.gz' -mtime +7 -delete", [8]),
        ("find /var/log -name '*.gz' -o -mtime +7 -delete", [8]),
        ("find /var/log -name '*.journal' -mtime +7 -delete", [8]),
        ("find /var/log/journal -name 'system@*' -mtime +40 | xargs rm", [41]),
        ("find /var/log -maxdepth 1 -name 'jour*' -exec rm -rf {} +", [0]),
        ("find /var/log/journal -name '1af4*' -mtime +7 -exec rm -rf {} +", [8]),
        ("rm -rf /var/log/journal/*", [None]),
    ],
)
def test_commands_delete_in_a_journal_too(command: str, days: list[float | str | None]) -> None:
    found = kept(of_journal(schedule(command), journal(MaxFileSec="1week")))
    assert sorted(found, key=str) == sorted([*days, inf], key=str)


def judged(found: Journal, limits: Limits, since: date | None = None, *more: Deleter) -> list[str]:
    deleters = Deleters(tuple(more), 0, {"commands": 9})
    return [str(each) for each in unmet(journal_deletes_nothing_too_early(found, deleters, since, limits, NOW))]


@pytest.mark.parametrize(
    ("changed", "since", "cut"),
    [
        ({}, None, False),
        ({"age": 12}, None, False),  # it has not begun to delete: there is room
        ({"used": 3.9 * GIB}, None, False),  # full, and has all that is asked for
        ({"used": 3.9 * GIB, "age": 12}, None, True),
        ({"used": 3.9 * GIB, "age": 12}, date(2026, 11, 11), False),
        ({"used": 3.9 * GIB, "age": None}, None, True),
        ({"age": 12, "SystemMaxUse": "9M"}, None, True),
        ({"age": 12, "SystemMaxFiles": "1"}, None, True),
        ({"age": 12, "SystemKeepFree": "50G"}, None, False),
        ({"age": 12, "SystemKeepFree": "50G", "used": 13 * MIB}, None, True),
        ({"age": 12, "SystemMaxUse": "64M", "SystemMaxFileSize": "60M"}, None, True),
        ({"age": 12, "used": 3.9 * GIB, "SystemMaxUse": "infinity"}, None, False),
    ],
)
def test_the_bound_by_size_is_a_finding_once_it_has_cut_in(
    limits_of: LimitsOf, changed: dict[str, Any], since: date | None, cut: bool
) -> None:
    found = judged(journal(**changed), limits_of("CAP-STO-03"), since)
    assert bool(found) == cut, found
    assert all("has begun to delete" in each for each in found)


def test_findings_go_before_doubts_about_a_journal(limits_of: LimitsOf) -> None:
    doubted = Deleter("/x:1", "journalctl …", None, "it cannot be told")
    with pytest.raises(InsufficientFactsError):
        judged(journal(), limits_of("CAP-STO-03"), None, doubted)
    assert len(judged(journal(used=3.9 * GIB, age=12), limits_of("CAP-STO-03"), None, doubted)) == 1


# ---- what an engine keeps


@pytest.fixture
def container(captured: Callable[[str], str]) -> Container:
    return parse_inspect(json.loads(captured("inspect-redis.json")))


def test_a_real_container_tells_how_its_log_is_kept(container: Container) -> None:
    assert (container.log_driver, container.log_options) == ("json-file", (("max-file", "3"), ("max-size", "10m")))
    assert container.log_path == f"/var/lib/docker/containers/{container.id}/{container.id}-json.log"


@pytest.mark.parametrize(
    ("driver", "options", "days"),
    [
        ("json-file", (), inf),
        ("json-file", (("max-file", "3"),), inf),
        ("json-file", (("max-size", "10g"),), None),
        ("local", (), None),
        ("none", (), 0),
        ("journald", (), 'it is kept in the journal: name it with role = "journal"'),
        ("fluentd", (), "it is kept elsewhere, by what this driver hands it to"),
    ],
)
def test_a_log_driver_bounds_by_size_or_not_at_all(
    container: Container, driver: str, options: tuple[tuple[str, str], ...], days: float | str | None
) -> None:
    changed = replace(container, log_driver=driver, log_options=options)
    assert kept(of_containers((changed,), "redis", schedule("true"))) == [days]


@pytest.mark.parametrize(
    ("command", "days"),
    [
        ("truncate -s 0 /var/lib/docker/containers/*/*-json.log", [None]),
        ("find /var/lib/docker/containers -name '*.log' -mtime +7 -delete", [8]),
        ("find /var/lib/docker -name '*.tmp.gz' -mtime +7 -delete", []),
        ("find /var/lib/docker -maxdepth 2 -name 'contain*' -exec rm -r {} +", [0]),
        ("rm -rf /var/lib/docker/tmp", []),
    ],
)
def test_commands_delete_the_files_of_an_engine_too(
    container: Container, command: str, days: list[float | None]
) -> None:
    bare = replace(container, log_options=())
    assert kept(of_containers((bare,), "redis", schedule(command))) == [inf, *days]


def test_a_service_without_a_container_keeps_nothing_that_could_be_judged() -> None:
    with pytest.raises(InsufficientFactsError, match="redis has no container"):
        of_containers((), "redis", schedule("true"))


def test_deleters_of_containers_are_judged_as_those_of_files(container: Container, limits_of: LimitsOf) -> None:
    found = unmet(
        nothing_deletes_too_early(of_containers((container,), "redis", schedule("true")), limits_of("CAP-STO-03"))
    )
    assert [each.observed for each in found] == ["no age in days"]


@pytest.fixture
def engine(
    web_server: Callable[..., int], reply: Callable[..., Any], transcript: Transcript, tmp_path: Path
) -> Iterator[Callable[..., Host]]:
    """This machine as a host whose engine answers always the same."""
    opened: list[ShellChannel] = []

    def start(body: bytes, status: int = 200, **headers: str) -> Host:
        api = f"http://127.0.0.1:{web_server(reply(status, body, **headers))}"
        spec = targets.Host(name="here", connection="local://", docker_api=api)
        opened.append(ShellChannel(spec, tmp_path, transcript))
        return Host(opened[-1], spec)

    yield start
    for each in opened:
        each.close()


def frame(text: str, stream: int = 1) -> bytes:
    data = f"2026-11-06T10:00:00.123456789Z {text}".encode()
    return bytes([stream, 0, 0, 0]) + len(data).to_bytes(4, "big") + data


def line(stamp: str = "2026-11-06T10:00:00Z", level: str = "DEBUG", more: str = "") -> str:
    return f'{{"timestamp":"{stamp}","level":"{level}"{more}}}'


LOGS = ContainerLogs(name="x", role="containers", service="redis")
THE_DAY = date(2026, 11, 6)


@pytest.mark.parametrize(
    ("body", "entries", "detailed", "undecoded"),
    [
        (b"", 0, 0, 0),
        (frame(f"{line()}\n") + frame(f"{line(level='INFO')}\n", 2), 2, 1, 0),
        (f"2026-11-06T10:00:00.1Z {line()}\r\n2026-11-06T10:00:00.2Z {line()}\r\n".encode(), 2, 2, 0),  # a TTY
        # Sizes of 10, 256 + 10 and 2560 bytes and more: a line break in the head of the frame.
        (frame("x" * (0x010A - 32) + "\n") + frame(line(more=f',"m":"{"x" * (0x0A00 - 80)}"') + "\n"), 1, 1, 1),
        (frame(line(more=f',"m":"{"x" * 16000}"')) + frame("rest\n"), 1, 1, 0),  # longer than a frame
        (frame("2026-11-07T10:00:00Z " + line() + "\n"), 0, 0, 1),
        (frame("started\n") + frame(f'{{"m":"{line()}"}}\n') + frame(f"{line()}\n"), 1, 1, 2),
        (frame(line(stamp="2026-11-06T10:00:00") + "\n"), 0, 0, 1),
    ],
)
def test_entries_of_a_container_are_counted_by_their_own_stamps(
    engine: Callable[..., Host], container: Container, body: bytes, entries: int, detailed: int, undecoded: int
) -> None:
    found = in_containers(engine(body), (container,), LOGS, THE_DAY)
    assert found.entries == ({THE_DAY: entries} if entries else {})
    assert found.detailed == ({THE_DAY: detailed} if detailed else {})
    assert (found.undecoded, found.sources) == (undecoded, 1)


@pytest.mark.parametrize(
    ("status", "headers", "said"),
    [
        (501, {}, "error: 501"),
        (404, {}, "error: 404"),
        (200, {"Content_Length": "99999"}, r"\(18\)"),  # cut off on the way
    ],
)
def test_a_log_that_is_not_given_in_full_is_an_error(
    engine: Callable[..., Host], container: Container, status: int, headers: dict[str, str], said: str
) -> None:
    here = engine(frame(f"{line()}\n"), status, Connection="close", **headers)
    with pytest.raises(UnansweredError, match=said):
        in_containers(here, (container,), replace_timeout(3), THE_DAY)


def replace_timeout(seconds: float) -> ContainerLogs:
    return LOGS.model_copy(update={"timeout_s": seconds})


def test_a_log_that_is_too_long_is_an_error(
    engine: Callable[..., Host], container: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opsverify.probes.container_logs.MOST_BYTES", 100_000)
    here = engine(frame(f"{line()}\n") * 50_000)
    with pytest.raises(UnansweredError, match="more than the 100000 bytes"):
        in_containers(here, (container,), LOGS, THE_DAY)


def test_a_service_without_a_container_has_no_days() -> None:
    host: Any = SimpleNamespace(name="here", spec=SimpleNamespace(compose_project=None))
    assert in_containers(host, (), LOGS, THE_DAY).entries == {}
