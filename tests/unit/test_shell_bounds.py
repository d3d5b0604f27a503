"""No text makes what reads it slow or breaks it, however often it says the same."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsverify.errors import UnansweredError
from opsverify.probes.crontabs import parse_anacrontab, parse_crontab, parse_timers, parse_units
from opsverify.probes.logrotate import parse_logrotate
from opsverify.probes.schedules import included
from opsverify.probes.tmpfiles import parse_tmpfiles
from opsverify.shell.deletions import begins, deletions
from opsverify.shell.facts import Job, Text
from opsverify.shell.indices import index_deletions
from opsverify.shell.runs import Reader

LENGTH, SECONDS = 12_000, 2.0  # what takes time by the square of the length takes far more
UNITS = [*"\n \t'\"`(){}[]<>|&;$\\=*#%~/\0\ue000", "a ", "a=", "a\n", "$(", "${a:-", '"$(', "[[ ", "((", "a[", "a&&"]
UNITS += ["> ", "if a; then ", "case a in ", "for i in a b; do ", "f(){ ", "f(){ f $1 $1;}\n", "cat <<X\n", "<<X "]
UNITS += ["a() { a;a; }\n", "a=$a$a\n", "a+=(b)\n", 'set -- "$@" "$@"\n', 'a=("${a[@]}" "${a[@]}" b)\n', "x=`a`\n"]
UNITS += ["eval a=\\$a\\$a;", "cd a$a;", "find / ( ", "find /backup -o ", "rm /backup/a\n", "rm $a;", "sh -c 'rm x' "]
UNITS += ["find /backup -mtime +1 | while read a; do rm $a; done\n", "export a=$a$a b=$b$b\n", "alias a='a a';"]
UNITS += ["f(){ g;g;g;g; }; g(){ f;f;f;f; }\n", "1:", "0 ", "include ", "tail /backup/a > x; mv x /backup/a\n"]


def read(text: str) -> None:
    reader = Reader({"/opt/a.sh": Text("shell", text)})
    reader.job(Job("/etc/cron.d/x:1", "/opt/a.sh"))
    followed = reader.followed()
    deletions(followed, ("/backup/database", "/backup/wal"))
    index_deletions(followed, "tokenswap-logs-*")
    begins(followed)


READERS: dict[str, Callable[[str], object]] = {
    "shell": read,
    "crontab": lambda text: parse_crontab("/etc/cron.d/x", text),
    "own crontab": lambda text: parse_crontab("/x", f"1 1 * * * {text}", "root"),
    "anacrontab": lambda text: parse_anacrontab("/etc/anacrontab", text),
    "timers": parse_timers,
    "units": parse_units,
    "tmpfiles": parse_tmpfiles,
    "included": included,
    "logrotate": lambda text: parse_logrotate("/a", {"/a": text}, {}),
    "an entry": lambda text: parse_logrotate("/a", {"/a": f"/x {{\nolddir a{text}b\n}}"}, {}),
}


def takes(reader: str, text: str) -> float:
    began = time.process_time()
    with contextlib.suppress(UnansweredError):
        READERS[reader](text)
    return time.process_time() - began


@pytest.mark.parametrize("reader", READERS)
def test_what_is_said_over_and_over_takes_no_longer_than_its_length_asks_for(reader: str) -> None:
    slow = [unit for unit in UNITS if takes(reader, (unit * LENGTH)[:LENGTH]) > SECONDS]
    assert not slow


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(UNITS), min_size=1, max_size=6), st.sampled_from(sorted(READERS)))
def test_no_mixture_takes_long_or_breaks_a_reader(units: list[str], reader: str) -> None:
    assert takes(reader, ("".join(units) * 5000)[:5000]) < SECONDS
