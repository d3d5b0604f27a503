"""Where jobs and settings that delete stand: crontabs, timers, logrotate, tmpfiles.d; and how a host is asked."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsverify.channels.guard import admit
from opsverify.errors import InsufficientFactsError, UnansweredError
from opsverify.probes.crontabs import parse_anacrontab, parse_crontab, parse_timers, parse_units
from opsverify.probes.deleters import UNTOLD, deleters, in_folders
from opsverify.probes.logrotate import Configuration, parse_logrotate
from opsverify.probes.schedules import (
    parse_listed,
    parse_numbered,
    parse_user_crontabs,
    schedule,
)
from opsverify.probes.tmpfiles import parse_tmpfiles
from opsverify.shell.values import ANY

DEBIAN = """SHELL=/bin/sh
PATH=/usr/local/sbin:/usr/local/bin:/sbin:/bin:/usr/sbin:/usr/bin
# m h dom mon dow user\tcommand
17 *\t* * *\troot\tcd / && run-parts --report /etc/cron.hourly
25 6\t* * *\troot\ttest -x /usr/sbin/anacron || { cd / && run-parts --report /etc/cron.daily; }
@reboot www-data /opt/a.sh
0 4 1,15 jan-mar mon-fri root /opt/b.sh 'x'\\%y
"""


def test_a_crontab_of_debians() -> None:
    found = parse_crontab("/etc/crontab", DEBIAN)
    assert [(each.where, each.user, each.command.split()[0]) for each in found] == [
        ("/etc/crontab:4", "root", "cd"),
        ("/etc/crontab:5", "root", "test"),
        ("/etc/crontab:6", "www-data", "/opt/a.sh"),
        ("/etc/crontab:7", "root", "/opt/b.sh"),
    ]
    assert found[3].command == "/opt/b.sh 'x'%y"
    assert dict(found[0].environment)["SHELL"] == "/bin/sh"


@pytest.mark.parametrize("line", ["* * * * *", "* * * *\troot x", "@never root x", "rm -rf /backup", "\x00"])
def test_a_line_that_is_no_job_is_an_error(line: str) -> None:
    with pytest.raises(UnansweredError, match=r"/etc/crontab:2: this line of a crontab is not understood"):
        parse_crontab("/etc/crontab", f"# x\n{line}\n")


def test_what_follows_a_percent_sign_is_input_and_may_be_run() -> None:
    (found,) = parse_crontab("/x", "1 1 * * * sh%rm -rf /backup%exit\n", "root")
    assert found.command.splitlines()[1:] == ["rm -rf /backup", "exit", "END_OF_INPUT"]


def test_an_anacrontab() -> None:
    found = parse_anacrontab("/etc/anacrontab", "PATH=/bin\n\n1\t5\tcron.daily\tnice run-parts /etc/cron.daily\n")
    assert [(each.where, each.command) for each in found] == [("/etc/anacrontab:3", "nice run-parts /etc/cron.daily")]
    with pytest.raises(UnansweredError):
        parse_anacrontab("/etc/anacrontab", "1 x\n")


TIMERS = """Mon 2026-11-23 10:39:00 UTC 52min left Mon 2026-11-23 09:39:01 UTC 7min ago php.timer php.service
Tue 2026-11-24 00:00:00 UTC 14h left   Mon 2026-11-23 00:00:05 UTC 9h ago   logrotate.timer logrotate.service
-                           -          -                           -        apt-daily.timer apt-daily.service
"""


def test_timers_name_the_units_that_they_start() -> None:
    assert parse_timers(TIMERS) == ("php.service", "logrotate.service", "apt-daily.service")
    with pytest.raises(UnansweredError, match="this line is not understood"):
        parse_timers("3 timers listed.\n")


def test_the_units_of_a_real_host(captured: Callable[[str], str]) -> None:
    found = {each.command: each.where for each in parse_units(captured("systemd-units.txt"))}
    assert found["/usr/sbin/logrotate /etc/logrotate.conf"] == "/lib/systemd/system/logrotate.service"
    assert "/usr/lib/apt/apt-helper wait-online" in found
    drop_in = "# /etc/systemd/system/a.service.d/x.conf\n[Service]\nExecStart=\nExecStart=-/opt/a.sh \\\n  7\n"
    assert [each.command for each in parse_units(drop_in)] == ["/opt/a.sh    7"]


def test_what_a_drop_in_sets_holds_for_the_unit() -> None:
    unit = "# /lib/systemd/system/a.service\n[Service]\nEnvironment=DAYS=95\nExecStart=/opt/a.sh %i 5%%\n"
    more = "# /etc/systemd/system/a.service.d/x.conf\n[Service]\nWorkingDirectory=-/backup/%p\nEnvironmentFile=/etc/x\n"
    found = parse_units(f"{unit}\n{more}\n# /lib/systemd/system/b.service\n[Service]\nExecStart=/opt/b.sh\n")
    assert [(each.command, each.environment, each.folder) for each in found] == [
        (f"/opt/a.sh {ANY} 5%", (), f"/backup/{ANY}"),
        ("/opt/b.sh", (), "/"),
    ]
    assert found[0].where == "/lib/systemd/system/a.service"
    assert [each.environment for each in parse_units(unit)] == [(("DAYS", "95"),)]


def test_the_tmpfiles_of_a_real_host(captured: Callable[[str], str]) -> None:
    found = {each.path: each.keeps_days for each in parse_tmpfiles(captured("tmpfiles.txt"))}
    assert found["/tmp"] is None  # emptied at boot
    assert found["/tmp/.X11-unix"] == 10
    assert not any(path.startswith(("/var/log/tokenswap", "/backup")) for path in found)


@pytest.mark.parametrize(
    ("line", "days"),
    [
        ("d /var/log/tokenswap 0750 root adm 10d", 10),
        ("e /var/log/tokenswap/*.gz - - - 1w12h", 7.5),
        ("d '/var/log' - - - ~m:30d", 30),
        ("R /var/log/tokenswap", None),
        ("D! /var/log/tokenswap - - - -", None),
        ("d /var/log/tokenswap - - - 0", 0),
        ("e %L/tokenswap - - - 7d", 7),
    ],
)
def test_tmpfiles_ages(line: str, days: float | None) -> None:
    found = parse_tmpfiles(f"# /etc/tmpfiles.d/a.conf\n{line}\n")
    assert [(each.keeps_days, each.path[:8]) for each in found] == [(days, "/var/log")]


@pytest.mark.parametrize("line", ["d", "frobnicate /x", "d /x - - - tomorrow", "d '/x - - - 1d"])
def test_a_line_of_tmpfiles_that_is_not_understood_is_an_error(line: str) -> None:
    with pytest.raises(UnansweredError, match=r"not understood"):
        parse_tmpfiles(f"{line}\n")


# ---- logrotate

STOCK = "weekly\nrotate 4\ncreate\ninclude /etc/logrotate.d\n"
FOLDER = "/var/log/tokenswap"


def rotations(entry: str, main: str = STOCK) -> Configuration:
    texts = {"/etc/logrotate.conf": main, "/etc/logrotate.d/a": entry}
    return parse_logrotate("/etc/logrotate.conf", texts, {"/etc/logrotate.d": ("/etc/logrotate.d/a",)})


@pytest.mark.parametrize(
    ("said", "days"),
    [
        ("daily\n  rotate 40", 40),
        ("rotate 5", 35),
        ("rotate 4", 28),
        ("monthly\n rotate 2", 56),
        ("daily\n rotate 40\n maxage 20", 20),
        ("daily\n rotate 10\n maxage 90", 10),
        ("hourly\n rotate 720", 30),
        ("daily\n rotate 0", 0),
        ("daily\n rotate -1", float("inf")),
        ("daily\n rotate 40\n maxsize 1G", None),
        ("rotate 40\n size 100M", None),
        ("size 100M\n daily\n rotate 40", 40),
        ("daily\n rotate 40\n minsize 1M", 40),
        ("daily\n rotate=40 # comment", 40),
        ("weekly 6\n rotate 5", 35),
    ],
)
def test_how_long_logrotate_keeps(said: str, days: float | None) -> None:
    (found,) = rotations(f"{FOLDER}/*.log {{\n  {said}\n}}\n").rotations
    assert found.settings.keeps_days == (pytest.approx(days) if days is not None else None)
    assert found.where == "/etc/logrotate.d/a:1"


def test_without_a_period_logrotate_goes_by_size() -> None:
    (found,) = rotations("/x/*.log { \n rotate 99\n}\n", "include /etc/logrotate.d\nweekly\n").rotations
    assert found.settings.keeps_days is None


def test_entries_over_several_lines_and_scripts_in_them() -> None:
    text = '"/var/log/a b.log"\n/var/log/c.log\n{\n rotate 7\n postrotate\n  find /backup -delete }\n endscript\n}\n'
    text += "/x {\n}\n"
    found = rotations(text)
    assert [each.patterns for each in found.rotations] == [("/var/log/a b.log", "/var/log/c.log"), ("/x",)]
    assert found.scripts == [("/etc/logrotate.d/a:5", "  find /backup -delete }")]
    assert found.rotations[1].settings.rotate == 4


@pytest.mark.parametrize(
    "entry",
    [
        "tabooext .off",
        "/x {\n rotate\n}",
        "/x {\n frobnicate\n}",
        "/x {\n daily",
        "/x {\n daily rotate 7\n}",
        "include /gone",
    ],
)
def test_what_logrotate_is_told_is_understood_or_an_error(entry: str) -> None:
    with pytest.raises(UnansweredError):
        rotations(entry)


LINES = st.sampled_from(["\n", "\r\n"])


@settings(max_examples=200, deadline=None)
@given(
    st.text(st.sampled_from("/x{}\"'#= \n\t\rdailyrotate7*") | st.characters(), max_size=60),
    LINES,
    st.sampled_from([" ", "\t", " \t "]),
    st.sampled_from(
        ["{FOLDER}/*.log {{", '"{FOLDER}/*.log" {{', "{FOLDER}/app.log{{", "{FOLDER}/*.log{n}{{", "/a {FOLDER}/* {{"]
    ),
)
def test_no_text_breaks_the_parser_of_logrotate_and_none_hides_an_entry(
    text: str, newline: str, blank: str, head: str
) -> None:
    begin = head.format(FOLDER=FOLDER, n=newline)
    entry = newline.join(
        [begin, f"{blank}daily{blank}", f"{blank}rotate{blank}7", f"{blank}# rotate 90", f"{blank}}}", ""]
    )
    try:
        found = rotations(f"# x{newline}{entry}{text}")
    except UnansweredError:
        return
    assert found.rotations[0].settings.keeps_days == 7


# ---- what a host is asked


class FakeHost:
    """A host whose files and answers are given; each question is held against the guard."""

    name = "there"

    def __init__(self, files: Mapping[str, str], answers: Mapping[str, str] | None = None) -> None:
        self.files = dict(files)
        self.answers = dict(answers or {})
        self.backend = SimpleNamespace(quote=lambda command, *_: command)

    def run(self, command: str, *arguments: str, **_: Any) -> SimpleNamespace:
        if arguments:
            command = command % tuple(shlex.quote(each) for each in arguments)
        admit(command)
        words = shlex.split(command)
        answer = getattr(self, f"_{words[0].replace('-', '_')}", self._other)
        rc, stdout, stderr = answer(words)
        return SimpleNamespace(rc=rc, stdout=stdout, stdout_bytes=stdout.encode(), stderr=stderr)

    def _find(self, words: list[str]) -> tuple[int, str, str]:
        roots = words[2 : words.index("-maxdepth")]
        depth = int(words[words.index("-maxdepth") + 1])
        shown = [
            f"r\tf\t{644 if path.endswith('.conf') else 755}\t{len(text)}\t{path}\0"
            for path, text in self.files.items()
            if any(
                path == root or (path.startswith(f"{root}/") and path[len(root) :].count("/") <= depth)
                for root in roots
            )
        ]
        shown += [
            f"r\td\t755\t1\t{root}\0" for root in roots if any(path.startswith(f"{root}/") for path in self.files)
        ]
        return 0, "".join(shown), ""

    def _grep(self, words: list[str]) -> tuple[int, str, str]:
        paths = words[words.index("--") + 1 :]
        lines = (
            f"{path}:{number}:{line}\n"
            for path in paths
            for number, line in enumerate(self.files[path].splitlines(), 1)
            if "PASSWORD=" not in line
        )
        return 0, "".join(lines), ""

    def _stat(self, words: list[str]) -> tuple[int, str, str]:
        there = words[-1] in self.answers or any(path.startswith(words[-1]) for path in self.files)
        return (0, "", "") if there else (1, "", f"stat: cannot statx '{words[-1]}': No such file or directory")

    def _sudo(self, words: list[str]) -> tuple[int, str, str]:
        if words[-1] == "atq":
            return 0, self.answers["/var/spool/cron/atjobs"], ""
        mine = {path: text for path, text in self.files.items() if path.startswith("/var/spool/cron/crontabs/")}
        lines = [f"{path}:{line}\n" for path, text in mine.items() for line in text.splitlines()]
        return (0 if lines else 1), "".join(lines), self.answers.get("sudo", "")

    def _readlink(self, words: list[str]) -> tuple[int, str, str]:
        """``/link`` leads to ``/``, ``/old`` to the logs of a year ago; of the rest nothing is a link."""
        paths = words[words.index("--") + 1 :]
        if words[1] == "-ev" and "/gone" in paths:
            return 1, "", "readlink: /gone: No such file or directory"
        led = [re.sub("^/old(?=/|$)", "/backup/database/2025", re.sub("^/link(?=/)", "", each)) for each in paths]
        return 0, "".join(f"{each}\n" for each in led), ""

    def _other(self, words: list[str]) -> tuple[int, str, str]:
        for begin, answer in self.answers.items():
            if shlex.join(words).startswith(begin):
                return 0, answer, ""
        return 127, "", "not found"


def found(files: dict[str, str], answers: dict[str, str] | None = None, declared: tuple[str, ...] = ()) -> list[Any]:
    host = FakeHost({"/etc/crontab": "1 1 * * * root true\n", **files}, answers)
    told = in_folders(schedule(host, declared), ("/backup/database",))  # type: ignore[arg-type]
    return [each.doubt or each.keeps_days for each in told.found]


@pytest.mark.parametrize(
    ("command", "days"),
    [
        ("find /link/backup/ -mtime +7 -delete", [8]),
        ("find /link/backup/database/*.gz -mtime +7 -delete", [8]),
        ("cd /link/backup && rm -rf database", [None]),
        ("rm -rf /old", [None]),
        ("rm -rf /old/1", [None]),
        ("rm -rf /link/srv", []),
        ("logrotate /opt/l.conf", [7]),
    ],
)
def test_a_link_that_leads_to_a_folder_is_another_name_of_it(command: str, days: list[float | None]) -> None:
    files = {"/etc/crontab": f"1 1 * * * root {command}\n"}
    files["/opt/l.conf"] = "/link/backup/database/*.gz {\n weekly\n rotate 1\n}\n"
    host: Any = FakeHost(files)
    told = deleters(host, schedule(host), ("/backup/database",))
    assert [each.keeps_days for each in told.found] == days


def test_a_folder_that_is_not_there_is_an_error() -> None:
    host: Any = FakeHost({"/etc/crontab": "1 1 * * * root true\n"})
    with pytest.raises(UnansweredError, match="No such file"):
        deleters(host, schedule(host), ("/gone",))


@pytest.mark.parametrize("folder", ["/var/log/journal", "/var/lib/docker/containers/0a1b"])
def test_what_is_kept_by_size_has_no_age(folder: str) -> None:
    host: Any = FakeHost({"/etc/crontab": "1 1 * * * root true\n"})
    assert [each.keeps_days for each in deleters(host, schedule(host), (folder,)).found] == [None]


DELETE = "find /backup -mtime +7 -delete"


@pytest.mark.parametrize(
    "files",
    [
        {"/etc/cron.d/x": f"1 1 * * * root {DELETE}\n"},
        {"/etc/cron.d/x": "HOME=/backup/database\n1 1 * * * root find . -mtime +7 -delete\n"},
        {"/etc/cron.daily/x": f"#!/bin/sh\n{DELETE}\n"},
        {"/etc/anacrontab": f"1 5 x {DELETE}\n"},
        {"/var/spool/cron/crontabs/joe": f"1 1 * * * {DELETE}\n"},
        {
            "/etc/cron.d/x": "1 1 * * * root tidy 7\n",
            "/usr/local/bin/tidy": "#!/bin/sh\nfind /backup -mtime +$1 -delete\n",
        },
        {"/opt/declared.sh": f"#!/bin/bash\nDB_PASSWORD=hunter2secret\n{DELETE}\n"},
        {
            "/etc/logrotate.conf": "weekly\ninclude /etc/logrotate.d\n",
            "/etc/logrotate.d/x": f"/a {{\npostrotate\n{DELETE}\nendscript\n}}\n",
        },
        {
            "/etc/cron.d/x": "1 1 * * * root logrotate /opt/l.conf\n",
            "/opt/l.conf": "/backup/database/*.gz {\n weekly\n rotate 1\n maxage 8\n}\n",
        },
    ],
)
def test_each_place_is_looked_at(files: dict[str, str]) -> None:
    if "/opt/l.conf" in files:
        assert found(files) == [7]
    else:
        assert found(files, declared=("/opt/declared.sh",)) == [8]


def test_jobs_of_at_that_wait_are_doubted() -> None:
    assert found({}, {"/var/spool/cron/atjobs": ""}) == []
    waiting = "7\tMon Nov 23 18:00:00 2026 a root\n"
    assert found({}, {"/var/spool/cron/atjobs": waiting}) == ["what is run cannot be told"]


def test_systemd_is_looked_at_where_it_runs(captured: Callable[[str], str]) -> None:
    unit = "# /etc/systemd/system/tidy.service\n[Service]\nEnvironment=DAYS=7\nExecStart=/opt/tidy.sh\n"
    answers = {
        "/run/systemd/system": "",
        "systemctl list-timers": f"- - - - tidy.timer tidy.service\n{TIMERS}",
        "systemctl cat": captured("systemd-units.txt") + unit,
        "systemd-tmpfiles": captured("tmpfiles.txt") + "# /etc/tmpfiles.d/b.conf\ne /backup - - - 21d\n",
    }
    script = {"/opt/tidy.sh": '#!/bin/sh\nfind /backup -mtime +"${DAYS:-95}" -delete\n'}
    assert found(script, answers) == [8, 21]
    here = unit.replace(
        "ExecStart=/opt/tidy.sh", "WorkingDirectory=/backup\nExecStart=/usr/bin/find . -mtime +4 -delete"
    )
    cleaned = "# /etc/tmpfiles.d/b.conf\ne %h/database - - - 21d\n"
    assert found(script, {**answers, "systemctl cat": here, "systemd-tmpfiles": cleaned}) == [5, UNTOLD]


def test_a_logrotate_that_is_forced_keeps_by_number_alone() -> None:
    files = {
        "/etc/cron.d/x": "1 1 * * * root logrotate -f /opt/l.conf\n",
        "/opt/l.conf": "/backup/database/*.gz {\n daily\n rotate 400\n}\n",
    }
    assert found(files) == [None]


PREROTATE = """/var/log/nginx/*.log {
	prerotate
		if [ -d /etc/logrotate.d/httpd-prerotate ]; then \\
			run-parts /etc/logrotate.d/httpd-prerotate; \\
		fi \\
	endscript
}
"""


def test_a_folder_that_is_run_is_looked_into_and_debians_nginx_has_none() -> None:
    nginx = {"/etc/logrotate.conf": "weekly\ninclude /etc/logrotate.d\n", "/etc/logrotate.d/nginx": PREROTATE}
    assert found(nginx) == []
    script = f"#!/bin/sh\n{DELETE}\n"
    assert found({**nginx, "/etc/logrotate.d/httpd-prerotate/tidy": script}) == [8]
    assert found({**nginx, "/etc/logrotate.d/httpd-prerotate/tidy.off": script}) == []
    jobs = {"/etc/cron.d/x": '1 1 * * * root run-parts "$JOBS"\n'}
    assert found(jobs) == ["what is run cannot be told"]


def test_what_its_package_delivered_is_taken_to_delete_its_own() -> None:
    digest = "0123456789abcdef0123456789abcdef"
    files = {"/etc/cron.daily/x": f"#!/bin/sh\n{DELETE}\n", "/etc/cron.d/a.disabled": f"1 1 * * * root {DELETE}\n"}
    answers = {"dpkg-query": f" /etc/cron.daily/x {digest}\n", "md5sum": f"{digest}  /etc/cron.daily/x\n"}
    assert found(files, answers) == []
    assert found(files, {**answers, "md5sum": f"{digest[::-1]}  /etc/cron.daily/x\n"}) == [8]


@pytest.mark.parametrize(
    ("files", "answers", "said"),
    [
        ({}, {"sudo": "sudo: a password is required\n", "/var/spool/cron/crontabs": ""}, "a password is required"),
        ({"/etc/cron.d/x": "what is this\n"}, {}, "host there: /etc/cron.d/x:1"),
        ({"/etc/crontab": "# nothing\n"}, {}, "neither a crontab nor a timer"),
    ],
)
def test_a_source_that_cannot_be_read_is_an_error(files: dict[str, str], answers: dict[str, str], said: str) -> None:
    with pytest.raises((UnansweredError, InsufficientFactsError), match=said):
        found(files, answers)


def test_what_is_no_script_is_doubted_and_data_are_not_read() -> None:
    jobs = "1 1 * * * root /opt/agent --key /etc/secret.key\n2 1 * * * root /opt/tidy.py\n"
    told = found({"/etc/cron.d/x": jobs, "/opt/agent": "\x7fELF", "/opt/tidy.py": "#!/usr/bin/python3\nos.remove(x)\n"})
    assert told == ["what is run cannot be told", "it may delete, and only shell scripts can be read"]


def test_lines_that_are_left_out_keep_the_numbers_of_the_others() -> None:
    assert parse_numbered("/a:1:x\n/a:4:y:z\n", ["/a", "/b"]) == {"/a": "x\n\n\ny:z\n", "/b": "\n"}


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (parse_listed, "r\tf\t755\tx\t/a\0"),
        (lambda text: parse_numbered(text, ["/a"]), "/b:1:x\n"),
        (parse_user_crontabs, "/etc/shadow:x\n"),
    ],
)
def test_an_answer_that_is_not_understood_is_an_error(parse: Callable[[str], object], text: str) -> None:
    with pytest.raises(UnansweredError):
        parse(text)
