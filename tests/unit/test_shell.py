"""What deletes: told from crontabs and scripts by reading, whatever way it is written."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsverify.errors import UnansweredError
from opsverify.probes.crontabs import parse_crontab
from opsverify.shell.deletions import Deleter, deletions
from opsverify.shell.facts import Job, Text
from opsverify.shell.indices import index_deletions
from opsverify.shell.runs import Reader
from opsverify.shell.text import parse

FOLDERS = ("/backup/database", "/backup/base", "/backup/wal")
SCRIPTS = Path(__file__).parents[2] / "lab/images/node/scripts"
CRONTAB = (SCRIPTS.parent / "etc/cron.d/tokenswap").read_text(encoding="utf-8")
NIGHTLY = {f"/opt/tokenswap/scripts/{each.name}": each.read_text(encoding="utf-8") for each in SCRIPTS.iterdir()}


def reader(command: str, texts: dict[str, str] | None = None) -> Reader:
    found = Reader({path: Text("shell", text) for path, text in (texts or {}).items()})
    found.job(Job("/etc/cron.d/x:1", command))
    return found


def deleters(command: str, texts: dict[str, str] | None = None) -> tuple[Deleter, ...]:
    return deletions(reader(command, texts).followed(), FOLDERS)[0]


def kept(command: str, texts: dict[str, str] | None = None) -> list[float | str | None]:
    """Days for each that deletes; in words where it cannot be told."""
    return [each.doubt or each.keeps_days for each in deleters(command, texts)]


def test_the_labs_nightly_backup_is_followed_to_its_deletions() -> None:
    found = deleters("/opt/tokenswap/scripts/recorded.sh nightly_backup.sh", NIGHTLY)
    assert [each.keeps_days for each in found] == [96, 96, 96]
    assert {each.where.rpartition(":")[0] for each in found} == {"/opt/tokenswap/scripts/nightly_backup.sh"}
    assert not any(each.doubt for each in found)


def test_nothing_that_the_lab_runs_is_doubted() -> None:
    found = Reader({path: Text("shell", text) for path, text in NIGHTLY.items()})
    for job in (*parse_crontab("/etc/cron.d/x", CRONTAB), *(Job(each, each) for each in NIGHTLY)):
        found.job(job)
    told, _ = deletions(found.followed(), (*FOLDERS, "/var/log/tokenswap"))
    assert [each.keeps_days for each in told if not each.doubt] == [96] * len(told)


@pytest.mark.parametrize(
    ("condition", "days"),
    [
        ("-mtime +30", 31),
        ("-mtime 30", 30),
        ("-mtime -30", 0),
        ("-ctime +7 -type f", 8),
        ("-mmin +1440", 1),
        ("-daystart -mtime +30", 30),
        ("! -mtime -30", 30),
        ("-not -newermt '30 days ago'", 30),
        ("-newermt '30 days ago'", 0),
        ("-name '*.gz'", 0),
        ("-name a -o -mtime +30", 0),
        (r"\( -name a -o -name b \) -mtime +30", 31),
        (r"\( -mtime +10 -o -mtime +20 \)", 11),
        (r"-mtime +10 \( -name a -o -mtime +20 \)", 11),
        ("-mtime +$((4 * 7))", 29),
        ("-mtime +${DAYS:-14}", 15),
    ],
)
@pytest.mark.parametrize("action", ["-delete", "-exec rm -f {} +", r"-exec /bin/rm -f {} \;", "-print0 | xargs -0r rm"])
def test_find_deletes_what_is_older_than_it_says(condition: str, days: float, action: str) -> None:
    if "-o -mtime" in condition and r"\(" not in condition:
        condition = rf"\( {condition} \)"
    assert kept(f"find /backup/database {condition} {action}") == [days]


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("find /backup/wal -mtime +30 -name a -delete -o -delete", [0]),
        ("find /backup -maxdepth 1 -type f -mtime +1 -delete", []),
        ("find /backup -maxdepth 2 -type f -mtime +1 -delete", [2]),
        ("find /backup/base -maxdepth 0 -mtime +1 -exec rm -rf {} +", [2]),
        ("find / -maxdepth 1 -name backup -mtime +1 -exec rm -rf {} +", [2]),
        ("find / -maxdepth 1 -type f -mtime +1 -exec rm -rf {} +", []),
        ("find / -maxdepth 1 -type f -mtime +1 | xargs rm -f", []),
        ("find /backup/wal -type l -delete; find /backup/wal -type d -empty -delete", []),
        ("find /backup/wal -name '*.part' -mtime +1 -delete", []),
        ("find /srv /backup/d* -mtime +9 -delete", [10]),
        ("find / -xdev -mtime +9 -delete", [10]),
        ("find /backup/wal -mtime +9 -print", []),
        ("rm -rf /backup", [None]),
        ("rm -rf /backup/*", [None]),
        ("rm -f /backup/*", []),
        ("rm /backup/database/old.sql.gz /tmp/x", [None]),
        ("rm -rf /backup/{wal,config}", [None]),
        ("cd /backup/wal && rm -f -- *.old", [None]),
        ("cd /backup/wal; (cd /tmp; ls); rm -f ./*", [None]),
        ("rm -rf /backup2 /srv/backup/database /tmp/*", []),
        ('d=$(mktemp -d); rm -rf "$d"', []),
        ("ls -t /backup/database/* | tail -n +8 | xargs rm -f", [None]),
        ("find /backup/base -name 'base_*' | sort | head -n -3 | xargs -r rm -rf", [None]),
        ("find /backup/base -mtime +40 | sort | head -n -3 | xargs -r rm -rf", [41]),
        ('find /backup/wal -mtime +8 | while read -r f; do rm "$f"; done', [9]),
        ('for f in $(find /backup/wal -mtime +8); do rm "$f"; done', [9]),
        ("rm $(find /backup/wal -mtime +8)", [9]),
        ('rm -f /backup/database/backup_$(date -d "7 days ago" +%Y%m%d)_*.sql.gz', [6]),
        ("tail -n 99 /backup/wal/a > /tmp/x && mv /tmp/x /backup/wal/a", [None]),
        ("cd /backup/wal; tail -n 99 a > a.new; cat a.new > a; rm a.tmp", [None]),
        ("tail -n 99 /backup/wal/a > /tmp/x; mv /tmp/y /backup/wal/y.gz; cp /tmp/x /backup/wal/z", []),
        ("pg_dump --clean -f /backup/database/x; docker run --rm -v /backup:/b x; barman check db", []),
        ('DAYS=7; [ -n "$LONG" ] && DAYS=90; find /backup/wal -mtime +$DAYS -delete', [8, 91]),
        ("if true; then DAYS=7; else DAYS=90; fi; find /backup/wal -mtime +$DAYS -delete", [8, 91]),
        ("truncate -s 0 /backup/database/a; shred -u /backup/wal/b; : > /backup/wal/c", [None, None, None]),
        ("cp /dev/null /backup/wal/c; cat /dev/null > /backup/wal/d", [None, None]),
        ("rsync -a --delete /srv/new/ /backup/database/", [None]),
        ("rsync -a /srv/new/ /backup/database/", []),
        ("rclone delete --min-age 60d /backup/database", [60]),
        ("aws s3 rm --recursive s3://bucket/backup/database", []),
        ("pg_archivecleanup /backup/wal 000000010000000000000010", [None]),
        ("echo rm -rf /backup; logger 'rm -rf /backup'", []),
        ("echo 'rm -rf /backup' | sh", [None]),
        ("sh -c 'find /backup/wal -mtime +3 -delete'", [4]),
        ("trap 'rm -rf /backup/wal' EXIT", [None]),
        ("bash <<'END'\nrm -rf /backup/wal\nEND", [None]),
        ("cat <<'END'\nrm -rf /backup/wal\nEND", []),
        ('purge() { rm -rf "$1"; }; purge /backup/wal; purge /tmp/x', [None]),
        ("opts='-mtime +5 -delete'; find /backup/wal $opts", [6]),
        ("alias r='rm -rf'; r /backup/wal", [None]),
        ('set -- /backup/wal; rm -rf "$@"', [None]),
        ("gzip /backup/wal/a; tar -cf /backup/database/a.tar /etc", []),
        ("echo rm -rf /backup/wal | at now", [None]),
        ("rm -f /backup/wal/*-$(date -d '100 days ago' +%m)-*", [None]),
        ("cat /opt/tidy.sh | sh; sh < /opt/tidy.sh", [4]),
        ("cd /opt && sh -e tidy.sh", [4]),
        ("cd $(mktemp -d) && rm -rf *", []),
        ('trap \'rm -f "$T"\' EXIT; trap tidy INT; T=$(mktemp); tidy() { rm "$T"; trap tidy INT; }', []),
        ("trap 'rm -rf \"$D\"' EXIT; D=/backup/wal", [None]),
        ('trap tidy EXIT; D=/backup/base/x; tidy() { rm -rf "${D%/*}"; }', [None]),
        ('"${0%/*}/tidy.sh"', []),
        ("D=/backup/; F=/srv/wal; rm -rf ${D%/}/${F##*/}", [None]),
        ('age=$(( $(date +%s) - $(stat -c %Y "$f") )); x=$((DAYS - 1))', []),
        ("n=$(( $(rm -rf /backup/wal) + 1 ))", [None]),
        ('P=$(command -v psql); "$P" -c x; "$JAVA_HOME/bin/java" -jar x.jar; timeout "$T" ls', []),
        ('python3 -c \'print(1)\'; . /etc/profile; helper() { "$@"; }; helper ls; spare() { "$@"; }', []),
    ],
)
def test_what_deletes_in_the_folders_is_found_and_what_deletes_elsewhere_is_not(
    command: str, expected: list[float | None]
) -> None:
    assert kept(command, {"/opt/tidy.sh": "find /backup/wal -mtime +3 -delete"}) == expected


@pytest.mark.parametrize(
    "command",
    [
        'rm -rf "$UNKNOWN"',
        'rm -rf "$UNKNOWN/wal"',
        "rm -f /backup/$UNKNOWN/*",
        "$TOOL -rf /backup/wal",
        "$'\\x72m' -rf /backup/wal",
        "find /backup/wal -mtime +$UNKNOWN -delete",
        "find /backup/wal $UNKNOWN -delete",
        "find /backup/wal -atime +200 -delete",
        "find /backup/wal -frobnicate -delete",
        "[ -e /x ] && rm -f /backup/wal/*",
        "if df / | grep 9; then rm -f /backup/wal/*; fi",
        "mv /backup/database/*.gz /srv/old/",
        'eval "$UNKNOWN"',
        '. "$UNKNOWN"',
        "tmpreaper 7d /backup",
        "restic forget --keep-daily 7",
        "python3 -c 'import shutil; shutil.rmtree(\"/backup/wal\")'",
        'run-parts "$JOBS"',
        "xargs -a /tmp/list rm -f",
        'while read -r f; do rm "$f"; done < /tmp/list',
        "echo 'unfinished",
        "sed -i 1,9d /backup/database/a",
        "fdfind . /backup/wal -x rm",
        "tar -czf /srv/a.tgz --remove-files /backup/wal",
        "btrfs subvolume delete /backup/database",
        "lftp -c 'mirror --delete /x /backup/wal'",
        "barman cron",
        "pgbackrest --stanza=main backup",
        'sh -c "$UNKNOWN"',
        '"$UNKNOWN/tidy.sh"',
        'sudo "$UNKNOWN"',
        'su - joe -c "$UNKNOWN"',
        'cd "$UNKNOWN" && rm -f ./*.gz',
        'cd "$UNKNOWN" && ./tidy.sh',
        'for each in /opt/jobs/*.sh; do sh "$each"; done',
        'for each in /opt/jobs/*.sh; do . "$each"; done',
        "curl -fs http://localhost/tidy | bash",
        'echo "$UNKNOWN" | sh',
        'sh < "$UNKNOWN"',
        "python3 <<'END'\nimport os\nos.remove('/backup/wal/x')\nEND",
        'find /backup/wal -mtime +3 -exec /opt/x.sh {} +; f() { rm -f "$1"; }',
    ],
)
def test_what_cannot_be_told_is_doubted(command: str) -> None:
    assert [each for each in deleters(command) if each.doubt], deleters(command)


def test_scripts_are_followed_by_path_by_variable_and_by_inclusion() -> None:
    texts = {
        "/opt/a.sh": '#!/bin/sh\ncd "$(dirname "$0")" && next=b.sh\n"./$next" /backup 7\n',
        "/opt/b.sh": '#!/bin/bash\n. "$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/c.sh"\nclean "$@"\n',
        "/opt/c.sh": 'clean() {\n  local where=$1 days=${2:-90}\n  find "$where" -mtime "+$days" -delete\n}\n',
    }
    for command in ("/opt/a.sh", "cd / && flock -n /run/x nice /opt/a.sh >/dev/null 2>&1", "bash /opt/a.sh"):
        found = deleters(command, texts)
        assert [(each.where, each.keeps_days) for each in found] == [("/opt/c.sh:3", 8)], command
    assert reader("/opt/a.sh").wanted == {"/opt/a.sh": True}
    assert reader("PATH=/opt:$PATH; a.sh", texts).followed().ran[-1].where.startswith("/opt/")


def test_a_script_of_too_many_commands_is_doubted() -> None:
    calls = "".join(f"f{each}() {{ {f'f{each + 1}; ' * 4}}}\n" for each in range(9))
    found = deleters("/opt/a.sh", {"/opt/a.sh": f"{calls}f9() {{ for x in $(ls); do :; done; }}\nf0\n"})
    assert any("too many commands" in each.what for each in found)


def test_a_script_that_calls_itself_or_too_much_ends() -> None:
    texts = {"/opt/a.sh": '/opt/a.sh "x$1"; f() { f "$1y"; f "$1z"; f "$1w"; f "$1v"; }; f x\nrm -rf /backup/wal\n'}
    assert None in kept("/opt/a.sh", texts)


@pytest.mark.parametrize("condition", ["-mtime +95 $UNKNOWN", "$UNKNOWN -mtime +95", "-mtime +95 -empty $UNKNOWN"])
def test_a_word_of_find_that_may_be_anything_leaves_no_age(condition: str) -> None:
    (found,) = deleters(f"find /backup/wal {condition} -delete")
    assert (found.keeps_days, bool(found.doubt)) == (0, True)


@pytest.mark.parametrize(
    ("command", "days"),
    [
        ('curl -X DELETE "http://es:9200/tokenswap-logs-$(date -d "8 days ago" +%Y.%m.%d)"', [7.0]),
        ("curl -XDELETE localhost:9200/tokenswap-logs-2026.*", [None]),
        ("curl -XDELETE localhost:9200/_all", [None]),
        ("curl -XDELETE localhost:9200/other-logs-2026.01.01", []),
        ("curl localhost:9200/tokenswap-logs-2026.01.01", []),
        ('curl -XDELETE "localhost:9200/$INDEX"', ["which of them it deletes cannot be told"]),
        ("curator --config /etc/c.yml /etc/delete.yml", ["what curator deletes is not read"]),
    ],
)
def test_what_deletes_indices_is_found(command: str, days: list[float | str | None]) -> None:
    found, _ = index_deletions(reader(command).followed(), "tokenswap-logs-*")
    assert [each.doubt or each.keeps_days for each in found] == days


# ---- hostile ways to write it

NEWLINES = st.sampled_from(["\n", "\r\n"])


@st.composite
def spelled(draw: st.DrawFn, word: str) -> str:
    """A word as a shell reads it, but written in another way."""
    found = ""
    for char in word:
        way = draw(st.integers(0, 7))
        if way == 0:
            found += f"'{char}'"
        elif way == 1 and char not in '$`"\\':
            found += f'"{char}"'
        elif way == 2:
            found += f"\\{char}"
        elif way == 3:
            found += f"''\\\n{shlex.quote(char)}"
        elif char in "+-/.*{}" or char.isalnum():
            found += char
        else:
            found += shlex.quote(char)
    return found


@st.composite
def hidden(draw: st.DrawFn) -> str:
    """A deletion after seven days at most, written in one of many ways."""
    plain = draw(
        st.sampled_from(
            [
                ["find", "/backup/database", "-type", "f", "-mtime", "+7", "-delete"],
                ["find", "/backup", "-mtime", "+7", "-exec", "rm", "-rf", "{}", "+"],
                ["rm", "-rf", "/backup/wal"],
                ["sudo", "-n", "rm", "-r", "/backup/database/x"],
            ]
        )
    )
    command = draw(st.sampled_from([" ", "\t", "  ", " \\\n "])).join([draw(spelled(each)) for each in plain])
    around = draw(
        st.sampled_from(
            [
                "{}",
                "if [ -d /x ]; then {}; fi",
                "for i in 1 2; do {}; done",
                "( {} )",
                "{{ {}; }}",
                "true && {} || false",
                "case $1 in a) {};; esac",
                "f() {{ {}; }}; f",
                "g() {{ {}; }}",
                "x=$( {} )",
                "sleep 1; {} &",
                "nice -n 5 {} >/dev/null 2>&1",
                'echo "$( {} )"',
                "while read -r a; do {}; done < /x",
            ]
        )
    )
    before = draw(st.sampled_from(["", "# it's a comment", "echo 'a # b'", 'x="#"', "cat <<X", "a=1 # don't"]))
    after = draw(st.sampled_from(["", "X", "echo done # rm", "}"])) if before != "cat <<X" else ""
    newline = draw(NEWLINES)
    begin = f"cat <<X{newline}it's{newline}X" if before == "cat <<X" else before
    return newline.join([begin, around.format(command), after])


@settings(max_examples=400, deadline=None)
@given(hidden())
def test_no_way_of_writing_it_hides_a_deletion(text: str) -> None:
    found = deleters("/opt/a.sh", {"/opt/a.sh": text})
    assert [each for each in found if each.doubt or each.keeps_days is None or each.keeps_days <= 8], text


TEXT = st.text(st.sampled_from("rm find-delte/backup$(){}[]'\"\\`;&|<>#!=*+7 \n\t\r~%") | st.characters(), max_size=120)


@settings(max_examples=400, deadline=None)
@given(TEXT)
def test_no_text_breaks_the_reader(text: str) -> None:
    deleters("/opt/a.sh x", {"/opt/a.sh": text})
    deleters(text)
    try:
        parse(text)
    except UnansweredError as error:
        assert str(error).startswith("line ")  # noqa: PT017


@settings(max_examples=200, deadline=None)
@given(TEXT, NEWLINES, st.booleans())
def test_no_crontab_breaks_its_parser_and_no_line_hides_another(text: str, newline: str, personal: bool) -> None:
    user = "root" if personal else None
    line = "5 0 * * *\t" + ("" if personal else "root ") + "rm -rf /backup/wal"
    whole = newline.join(["# a comment", "MAILTO=''", line, text])
    try:
        jobs = parse_crontab("/etc/cron.d/x", whole, user)
    except UnansweredError:
        return
    assert any(job.command == "rm -rf /backup/wal" and job.where == "/etc/cron.d/x:3" for job in jobs)
