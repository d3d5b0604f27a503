"""The scratch channel: which PostgreSQL it finds, that it works under no rights, and that nothing of it stays."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import pytest

from opsverify import cluster, dumps, stores
from opsverify.channels import places
from opsverify.channels.scratch import ProgramFailedError, Scratch
from opsverify.cluster import Cluster, Versions
from opsverify.errors import RefusedError, UnansweredError
from opsverify.transcript import Transcript

Exchanges = Callable[[], list[dict[str, Any]]]
Install = Callable[..., Path]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that any account may look into, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as found:
        Path(found).chmod(0o755)
        yield Path(found)


@pytest.fixture
def install(folder: Path) -> Install:
    """Install programs, each a shell script; gives their folder."""

    def make(version: str = "15", **programs: str) -> Path:
        found = folder / "usr" / "lib" / "postgresql" / version / "bin"
        found.mkdir(parents=True)
        for name, script in {"initdb": "exit 0", "pg_ctl": "exit 0", **programs}.items():
            (found / name).write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
            (found / name).chmod(0o755)
        return found

    return make


def much(pipe: IO[bytes]) -> None:
    for _ in range(99):
        pipe.write(b"x" * 65536)


def secret(pipe: IO[bytes]) -> None:
    pipe.write(b"secret rows")


def scratch(programs: Path, transcript: Transcript, timeout_s: float = 5) -> Scratch:
    return Scratch(stores.Scratch(bin=str(programs)), timeout_s, transcript)


def test_the_newest_version_that_is_installed_is_found(install: Install, folder: Path) -> None:
    for version in ("9.6", "15", "16"):
        install(version)
    (folder / "usr/lib/postgresql/17/bin").mkdir(parents=True)  # of the client alone
    assert places.installed((f"{folder}/usr/lib/postgresql/*/bin",)) == f"{folder}/usr/lib/postgresql/16/bin"


def test_programs_in_the_path_are_found_where_there_are_no_others(
    install: Install, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(install()))
    assert places.installed((f"{folder}/none/*/bin",)) == str((folder / "usr/lib/postgresql/15/bin").resolve())


def test_a_machine_without_postgresql_says_what_to_do(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(folder))
    with pytest.raises(UnansweredError, match=r"no PostgreSQL server programs on this machine.*scratch\.image"):
        places.on_runner(None, (f"{folder}/*/bin",))


def test_a_folder_of_the_profile_without_programs_is_named(folder: Path, transcript: Transcript) -> None:
    with (
        pytest.raises(UnansweredError, match=f"no PostgreSQL server programs in {folder}"),
        scratch(folder, transcript),
    ):
        pass


def test_programs_run_without_rights_and_without_this_environment(
    install: Install, transcript: Transcript, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGHOST", "production.example")
    monkeypatch.setenv("PGPASSWORD", "hunter22")
    programs = install(psql="id -u; env | grep -c ^PG; pwd; touch here 2>&1; echo $LC_ALL $TZ")
    with scratch(programs, transcript) as place:
        uid, variables, where, *_, spoken = place.run("psql").stdout.decode().splitlines()
    assert uid != "0"
    assert (variables, where, spoken) == ("0", "/", "C UTC")


def test_the_place_is_gone_afterwards_whatever_happened(install: Install, transcript: Transcript) -> None:
    place = scratch(install(psql="true"), transcript)

    def fail() -> None:
        with place:
            seen.append(Path(place.folder))
            assert seen[0].is_dir()
            raise KeyError

    seen: list[Path] = []
    with pytest.raises(KeyError):
        fail()
    assert not seen[0].exists()


def test_the_place_is_gone_where_not_even_the_server_can_be_stopped(install: Install, transcript: Transcript) -> None:
    with scratch(install(pg_ctl="sleep 60"), transcript, timeout_s=0.5) as place:
        work = Path(place.folder)
    assert not work.exists()


def test_a_program_that_hangs_is_ended(install: Install, transcript: Transcript) -> None:
    begun = time.monotonic()
    with scratch(install(psql="sleep 60"), transcript, timeout_s=0.5) as place:
        with pytest.raises(UnansweredError, match=r"psql did not end within 0\.5 s"):
            place.run("psql")
        with pytest.raises(UnansweredError, match=r"did not end within"):
            place.run("psql", feed=much)
        with pytest.raises(UnansweredError, match=r"did not end within"):
            place.read("psql", by=list)
    assert time.monotonic() - begun < 10


def test_input_that_nobody_reads_to_its_end_is_no_error_of_ours(install: Install, transcript: Transcript) -> None:
    with scratch(install(psql="head -c 1 > /dev/null; echo no >&2; exit 3"), transcript) as place:
        answer = place.run("psql", feed=much)
    assert (answer.status, answer.words) == (3, "no")


def test_an_output_of_any_length_is_read_line_by_line(install: Install, transcript: Transcript) -> None:
    with scratch(install(pg_waldump="seq 1 300000"), transcript) as place:
        assert place.read("pg_waldump", by=lambda lines: sum(int(each) for each in lines)) == 300000 * 300001 // 2


def test_a_program_that_fails_on_what_it_reads_is_told_apart(install: Install, transcript: Transcript) -> None:
    with (
        scratch(install(pg_waldump="echo 1; echo broken >&2; exit 1"), transcript) as place,
        pytest.raises(ProgramFailedError, match="ended with status 1 and said: broken"),
    ):
        place.read("pg_waldump", by=list)


def test_a_program_that_is_not_there_ends_as_a_shell_would_have_it(install: Install, transcript: Transcript) -> None:
    with scratch(install(), transcript) as place:
        assert place.run("pg_amcheck").status == 127
        assert Cluster(place).checked("drill") is None


@pytest.mark.parametrize("program", ["sh", "pg_dump", "pg_basebackup", "pg_receivewal", "curl", "../initdb"])
def test_no_program_runs_that_drills_do_not_need(
    program: str, install: Install, transcript: Transcript, exchanges: Exchanges
) -> None:
    with scratch(install(), transcript) as place, pytest.raises(RefusedError, match="drills need no such program"):
        place.run(program)
    assert any("refused" in str(each["failure"]) for each in exchanges())


def test_what_psql_adds_to_an_error_quotes_rows_and_is_left_out(
    install: Install, transcript: Transcript, exchanges: Exchanges
) -> None:
    said = (
        'psql:<stdin>:9: ERROR:  duplicate key value violates unique constraint "k"',
        "DETAIL:  Key (mail)=(jane@example.com) already exists.",
        'CONTEXT:  COPY users, line 2: "7 a secret',
        'of two lines"',
    )
    script = "cat >&2 <<'END'\n" + "\n".join(said) + "\nEND\nexit 3"
    with scratch(install(psql=script), transcript) as place:
        answer = place.run("psql")
    assert answer.words == said[0]
    assert "jane" not in str(exchanges())
    assert "of two lines" not in str(exchanges())


def test_the_transcript_has_what_was_run_and_not_what_it_was_handed(
    install: Install, transcript: Transcript, exchanges: Exchanges
) -> None:
    with scratch(install(psql="cat > /dev/null; echo done"), transcript) as place:
        place.run("psql", "-X", feed=secret, shown="the dump")
    (found,) = (
        each for each in exchanges() if isinstance(each["question"], dict) and each["question"]["program"] == "psql"
    )
    assert found["question"] == {"program": "psql", "arguments": ["-X"], "input": "the dump"}
    assert found["answer"] == {"exit_status": 0, "stdout": "done\n", "stderr": ""}
    assert "secret rows" not in transcript.path.read_text(encoding="utf-8")


def test_the_server_reaches_nobody_and_archives_nothing(install: Install, transcript: Transcript) -> None:
    with scratch(install(), transcript) as place:
        found = Cluster(place)
        place.run("mkdir", found.data)
        found.start({"recovery_target_time": "it's"})
        said = place.run("cat", f"{place.folder}/conf").stdout.decode()
        access = place.run("cat", f"{place.folder}/hba").stdout.decode()
        socket, asked = place.folder, found.psql("x")
    for line in (
        "listen_addresses = ''",
        "max_logical_replication_workers = '0'",
        "archive_mode = 'off'",
        "shared_preload_libraries = ''",
        f"unix_socket_directories = '{socket}'",
        "recovery_target_time = 'it''s'",
    ):
        assert line in said.splitlines()
    assert access == "local all all trust\n"
    assert asked[asked.index("-h") + 1] == socket


def test_a_role_of_another_encoding_is_handed_over_as_it_is(install: Install, transcript: Transcript) -> None:
    (role,) = dumps.read([b"ALTER TABLE a.b OWNER TO jos\xe9;"]).kept_apart
    with scratch(install(psql="od -An -c >&2; exit 1"), transcript) as place:
        with pytest.raises(UnansweredError, match="CREATE ROLE ended with status 1"):
            Cluster(place).make_roles([role])
        assert "351" in place.run("psql", feed=lambda pipe: cluster._put(pipe, b"\xe9")).stderr


@pytest.mark.parametrize(
    ("said", "lacking"),
    [
        ('psql:<stdin>:9: ERROR:  extension "postgis" is not available', True),
        ('ERROR:  could not open extension control file "/usr/share/x.control": No such file or directory', True),
        ('ERROR:  relation "a" does not exist', False),
    ],
)
def test_an_extension_that_is_not_installed_is_no_fault_of_the_dump(said: str, lacking: bool) -> None:
    assert cluster.lacks_extension(said) is lacking


@pytest.mark.parametrize(
    ("major", "minor", "safe"),
    [(13, 21, False), (13, 22, True), (15, 13, False), (15, 14, True), (17, 5, False), (18, 0, True), (12, 22, False)],
)
def test_a_psql_that_would_take_commands_from_a_dump_is_not_fed_one(major: int, minor: int, safe: bool) -> None:
    found = Versions(major, minor, f"{major}.{minor}")
    if safe:
        cluster.safe_to_feed(found)
    else:
        with pytest.raises(UnansweredError, match=r"does not know \\restrict"):
            cluster.safe_to_feed(found)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("psql (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)", Versions(15, 20, "15.20")),
        ("psql (PostgreSQL) 18beta1", Versions(18, 0, "18beta1")),
        ("psql (EnterpriseDB) x", None),
    ],
)
def test_the_version_of_psql_is_read(
    said: str, expected: Versions | None, install: Install, transcript: Transcript
) -> None:
    with scratch(install(psql=f"echo '{said}'"), transcript) as place:
        if expected is None:
            with pytest.raises(UnansweredError, match="does not tell its version"):
                cluster.versions(place)
        else:
            assert cluster.versions(place) == expected


def test_a_container_engine_that_is_not_there_is_told(
    folder: Path, transcript: Transcript, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(folder))
    with (
        pytest.raises(UnansweredError, match="neither docker nor podman"),
        Scratch(stores.Scratch(image="postgres:15"), 5, transcript),
    ):
        pass


ENGINE = """
echo "$@" >> {log}
case "$1" in
context) echo "$WHERE" ;;
image) echo "$USER_OF_IMAGE" ;;
run) echo c0ffee ;;
exec) case "$*" in *mktemp*) echo /tmp/opsv-drill-x ;; *) exit 0 ;; esac ;;
esac
"""


def engine(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> Path:
    """A container engine that does nothing but write down what it was asked to do; gives that log."""
    log = folder / "log"
    log.unlink(missing_ok=True)
    (folder / "docker").write_text("#!/bin/sh\n" + script.replace("{log}", str(log)), encoding="utf-8")
    (folder / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH'].removeprefix(f'{folder}:')}")
    return log


@pytest.mark.parametrize(
    ("user", "account"), [("", "postgres"), ("root", "postgres"), ("0:0", "postgres"), ("26", "26")]
)
def test_a_container_has_no_network_no_root_and_a_short_life(
    user: str, account: str, folder: Path, transcript: Transcript, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = engine(folder, monkeypatch, ENGINE)
    monkeypatch.setenv("USER_OF_IMAGE", user)
    monkeypatch.setenv("WHERE", "unix:///var/run/docker.sock")
    with Scratch(stores.Scratch(image="postgres:15"), 5, transcript) as place:
        assert place.folder == "/tmp/opsv-drill-x"
        place.run("initdb", "-D", "x")
    _, _, run, _, initdb, _, remove = log.read_text(encoding="utf-8").splitlines()
    words = run.split()
    assert {"--rm", "--pull=never", "--network=none", "--cap-drop=ALL", f"--user={account}"} <= set(words)
    assert words[-3:] == ["--entrypoint=sleep", "postgres:15", str(places.LIFETIME_S)]
    (name,) = (each.removeprefix("--name=") for each in words if each.startswith("--name="))
    assert initdb == f"exec -i -e LC_ALL=C -e TZ=UTC {name} initdb -D x"
    assert remove == f"rm -f -v {name}"  # with what volumes its image declares


@pytest.mark.parametrize("where", ["ssh://ops@node", "tcp://node:2375", ""])
def test_a_container_engine_of_another_machine_is_not_used(
    where: str, folder: Path, transcript: Transcript, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = engine(folder, monkeypatch, ENGINE)
    monkeypatch.setenv("WHERE", where)
    with (
        pytest.raises(UnansweredError, match=f"docker runs its containers at {where or 'a place'}.*this machine alone"),
        Scratch(stores.Scratch(image="postgres:15"), 5, transcript),
    ):
        pass
    assert "run" not in {line.split()[0] for line in log.read_text(encoding="utf-8").splitlines()}


def test_a_container_that_gives_no_folder_is_removed(
    folder: Path, transcript: Transcript, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = engine(folder, monkeypatch, ENGINE.replace("echo /tmp/opsv-drill-x", "exit 1"))
    monkeypatch.setenv("WHERE", "unix:///x")
    with pytest.raises(UnansweredError, match="has no /tmp"), Scratch(stores.Scratch(image="x"), 5, transcript):
        pass
    assert log.read_text(encoding="utf-8").splitlines()[-1].startswith("rm -f -v opsv-drill-")


@pytest.mark.usefixtures("signals_heard")
def test_signals_wait_until_a_container_is_known_and_until_it_is_gone(
    folder: Path, transcript: Transcript, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of the engine's programs has the suite interrupted at once, and goes on for a while."""
    interrupting = f"kill -INT {os.getpid()}; sleep 0.2\n{ENGINE}"
    monkeypatch.setenv("WHERE", "unix:///x")
    other = threading.Event()
    threading.Thread(target=other.wait, daemon=True).start()  # may be given the signals as well as the main thread
    for script in (interrupting, ENGINE.replace("exit 0 ;;", f"kill -INT {os.getpid()}; sleep 0.2 ;;")):
        log = engine(folder, monkeypatch, script + 'echo "$1 done" >> {log}\n')
        place = Scratch(stores.Scratch(image="x"), 5, transcript)
        with pytest.raises(KeyboardInterrupt), place:
            place.close()
        done = log.read_text(encoding="utf-8").splitlines()
        assert done[-1] == "rm done"
        assert done.count("run done") == done.count("rm done") == 1
    other.set()


def test_threads_that_watch_over_programs_end_with_them(install: Install, transcript: Transcript) -> None:
    before = set(threading.enumerate())
    with scratch(install(psql="true"), transcript) as place:
        for _ in range(5):
            place.run("psql")
    assert not set(threading.enumerate()) - before
