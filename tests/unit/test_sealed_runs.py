"""Runs seal themselves: with and without a key, side by side, elsewhere, killed, without room, and with a hook."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from opsverify import files, profile
from opsverify.errors import UsageError
from opsverify.evidence import bundle, chain, manifest, signing, stream
from opsverify.evidence.chain import Entry
from opsverify.evidence.manifest import SIGNATURE, SUMS
from opsverify.evidence.sealing import SEAL, SealingError
from opsverify.evidence.settings import Evidence
from opsverify.evidence.signing import Trust
from tests.unit.bundles import NOW, RUNNER, Keys, Runs, words
from tests.unit.small_project import PROFILE, SECRET, Project

EVIDENCE = f"""
[evidence]
key = {{ file = "runner_ed25519" }}
identity = "{RUNNER}"
allowed_signers = "allowed_signers"
"""


@pytest.fixture
def signed(project: Project, keys: Keys) -> Project:
    """A project whose runs are signed; it lies in the folder of the keys."""
    assert keys.folder == project.root
    project.write("profiles/test/profile.toml", PROFILE + EVIDENCE)
    return project


def trusted(project: Project) -> Trust:
    return signing.trust(NOW, project.root / "allowed_signers", None, RUNNER)


def command(project: Project, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "pytest", "checks", "--profile", "test", *arguments]


ENVIRONMENT = {**os.environ, "TEST_SECRET": SECRET}


@pytest.mark.parametrize("arguments", [(), ("-n", "2"), ("-k", "NOTHING")])
def test_a_run_is_sealed_and_signed_whole(signed: Project, arguments: tuple[str, ...]) -> None:
    outcome = signed.run(*arguments)
    assert outcome.directory is not None
    found = bundle.verify(outcome.directory, trusted(signed))
    assert found.holds, found.told()
    listed = manifest.parse((outcome.directory / SUMS).read_bytes())
    assert {"results.json", "transcript.jsonl", "report.html", "junit.xml", "PREV", SEAL} <= set(listed)
    assert f"SIGNED          by {RUNNER}, key SHA256:" in outcome.output
    assert outcome.output.strip().endswith(f"{found.digest} {outcome.directory.name}")
    assert outcome.results["run"]["evidence"]["signed_by"] == RUNNER
    page = (outcome.directory / "report.html").read_text(encoding="utf-8")
    assert f"{RUNNER}, key {outcome.results['run']['evidence']['key']}" in page


def test_without_a_key_a_run_says_so_in_red_and_stands(project: Project) -> None:
    outcome = project.run("--color=yes")
    assert outcome.status == 0
    assert outcome.directory is not None
    (line,) = [each for each in outcome.output.splitlines() if "nobody answers for this run" in each]
    assert "\x1b[31m" in line
    assert "UNSIGNED" in line
    assert "the profile names no key" in line
    page = (outcome.directory / "report.html").read_text(encoding="utf-8")
    assert 'class="unsigned"' in page
    assert "UNSIGNED" in page
    found = bundle.verify(outcome.directory, trusted_by_nobody())
    assert words(found.findings) == ["UNSIGNED"]


def trusted_by_nobody() -> Trust:
    return signing.trust(NOW, None, None, None)


@pytest.mark.parametrize(
    ("reference", "why"),
    [
        ('{ env = "TEST_NO_SUCH_KEY" }', "environment variable TEST_NO_SUCH_KEY is not set"),
        ('{ file = "no/such/key" }', "key file no/such/key is not there"),
    ],
)
def test_a_reference_that_leads_nowhere_is_told_and_stops_nothing(signed: Project, reference: str, why: str) -> None:
    signed.change("profiles/test/profile.toml", '{ file = "runner_ed25519" }', reference)
    outcome = signed.run()
    assert outcome.status == 0
    assert f"UNSIGNED        {why}: nobody answers" in outcome.output


def test_a_signature_that_will_not_count_is_told_at_once(signed: Project, keys: Keys) -> None:
    keys.allow('namespaces="opsverify",valid-before="20200101Z"')
    outcome = signed.run("--color=yes")
    assert outcome.status == 0
    (line,) = [each for each in outcome.output.splitlines() if "EXPIRED" in each]
    assert "\x1b[31m" in line
    assert "holds until 2020-01-01 00:00 UTC" in line
    keys.allowed.unlink()
    assert "nobody can verify it: allowed_signers: cannot be read" in signed.run().output


def test_the_private_key_is_in_no_file_and_no_output(signed: Project, keys: Keys) -> None:
    text = (signed.root / "runner_ed25519").read_text(encoding="utf-8")
    signed.write("leak", text)
    signed.write(
        "checks/health/test_it.py",
        "import pytest\nfrom opsverify.judgement import holds\n"
        '@pytest.mark.requirement("TST-PASS-01", "TST-NA-01")\n'
        "def test_it(host, judge, request):\n"
        "    text = host.file(str(request.config.rootpath / 'leak')).content_string\n"
        "    print(text)\n    judge([holds('a', text.split()[7], 'x', met=False)])\n",
    )
    outcome = signed.run()
    assert outcome.directory is not None
    assert outcome.status == 1
    body = [each for each in text.splitlines() if "-----" not in each][1:]
    for path in outcome.directory.rglob("*"):
        if path.is_file():
            assert not [each for each in body if each in path.read_text("utf-8")], path
    assert not [each for each in body if each in outcome.output]
    assert "SIGNED" in outcome.output


def test_elsewhere_is_a_stream_of_its_own(signed: Project, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    for _ in range(2):
        signed.run("--reports", str(elsewhere))
    assert signed.run().directory is not None
    found = stream.verify(elsewhere / "test", trusted(signed))
    assert found.holds, found.told()
    assert len(found.bundles) == 2
    assert len(stream.verify(signed.root / "reports" / "test", trusted(signed)).bundles) == 1


def test_runs_that_end_at_once_are_one_chain(signed: Project) -> None:
    def run(_: int) -> int:
        done = subprocess.run(
            command(signed, "-p", "no:cacheprovider"),
            cwd=signed.root,
            env=ENVIRONMENT,
            capture_output=True,
            check=False,
        )
        return done.returncode

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(run, range(3))) == [0, 0, 0]
    found = stream.verify(signed.root / "reports" / "test", trusted(signed))
    assert found.holds, found.told()
    assert len(found.bundles) == 3
    assert found.findings == ()


STEPS = ("PREV", SEAL, SIGNATURE, SUMS, "HEAD")


def killed_at(runs: Runs, directory: Path, at: str, when: str) -> int:
    """Seal a run in a process that is gone before, within or after the writing of one of its files."""
    write = files.write

    def killing(path: Path, content: str | bytes) -> Path:
        if path.name == at and when != "after":
            if when == "within":
                (path.parent / f".{path.name}-half").write_bytes(b"half")
            os._exit(9)
        write(path, content)
        if path.name == at:
            os._exit(9)
        return path

    child = os.fork()
    if child == 0:
        try:
            files.write = killing
            runs.seal(directory)
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.parametrize("when", ["before", "within", "after"])
@pytest.mark.parametrize("at", STEPS)
def test_a_run_that_is_killed_while_it_is_sealed_leaves_no_half_bundle(runs: Runs, at: str, when: str) -> None:
    first = runs.sealed()
    killed = runs.written()
    assert killed_at(runs, killed, at, when) == 9
    whole = at == "HEAD" or (at == SUMS and when == "after")
    found = runs.verify(killed)
    assert words(found.findings) == ([] if whole else ["UNFINISHED"])
    following = runs.sealed()
    before = killed if whole else first
    expected = Entry(before.name, manifest.digest_of((before / SUMS).read_bytes()))
    assert chain.read(following / "PREV") == expected
    assert runs.chain().holds


def test_a_run_that_is_killed_is_unfinished_and_the_next_one_goes_on(signed: Project) -> None:
    signed.run()
    signed.write(
        "checks/health/test_it.py",
        "import os, pytest, signal\n"
        '@pytest.mark.requirement("TST-PASS-01", "TST-NA-01")\n'
        "def test_it(judge):\n    os.kill(os.getpid(), signal.SIGKILL)\n",
    )
    assert signed.run().status == -signal.SIGKILL
    signed.run("-k", "NOTHING")
    found = stream.verify(signed.root / "reports" / "test", trusted(signed))
    assert found.holds
    assert [(each.word, each.fatal) for each in found.findings] == [("UNFINISHED", False)]


@pytest.mark.usefixtures("signals_heard")
def test_a_run_that_is_broken_off_is_sealed_as_far_as_it_came(signed: Project) -> None:
    signed.write(
        "checks/health/test_it.py",
        "import pytest, time\n"
        '@pytest.mark.requirement("TST-PASS-01", "TST-NA-01")\n'
        "def test_it(judge):\n    open('begun', 'w').close()\n    time.sleep(60)\n",
    )
    child = subprocess.Popen(
        command(signed, "-n", "1"), cwd=signed.root, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True
    )
    until = time.monotonic() + 40
    while not (signed.root / "begun").exists() and time.monotonic() < until:
        time.sleep(0.05)
    child.send_signal(signal.SIGINT)
    out, _ = child.communicate(timeout=40)
    assert child.returncode == 2, out
    found = stream.verify(signed.root / "reports" / "test", trusted(signed))
    assert found.holds, found.told()
    assert len(found.bundles) == 1


def limited(size: int) -> Callable[[], None]:
    """A process whose files may grow to so many bytes only: to it that is a disk without room."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


@pytest.mark.parametrize(
    ("size", "said", "status"),
    [(1000, "runs cannot be recorded there: File too large", 4), (30_000, "NOT SEALED", 3)],
    ids=["before it begins", "at its end"],
)
def test_without_room_there_is_one_clear_line(signed: Project, size: int, said: str, status: int) -> None:
    done = subprocess.run(
        command(signed, "-p", "no:cacheprovider"),
        cwd=signed.root,
        env=ENVIRONMENT,
        preexec_fn=limited(size),
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [each for each in (done.stdout + done.stderr).splitlines() if said in each]
    assert len(lines) == 1, done.stdout + done.stderr
    assert "File too large" in lines[0]
    assert "INTERNALERROR" not in done.stdout + done.stderr
    assert done.returncode == status
    assert not list(signed.root.glob(f"reports/test/*/{SUMS}"))


FULL = "raise OSError(28, 'No space left on device', '/x/results.tmp')"


@pytest.mark.parametrize(
    "patch",
    [
        "from opsverify import canary\nlog = canary.log\n"
        "def full(directory, redactor, searched, **more):\n"
        f"    if searched is not None and (directory / 'junit.xml').exists(): {FULL}\n"
        "    return log(directory, redactor, searched, **more)\ncanary.log = full\n",
        f"from opsverify import canary\ndef full(*_, **more): {FULL}\ncanary.log = full\n",
        f"from opsverify.evidence import page\ndef full(directory): {FULL}\npage.write = full\n",
        f"from opsverify.evidence import formats\ndef full(*_): {FULL}\nformats.write = full\n",
    ],
    ids=["the last search", "any search", "page", "formats"],
)
def test_a_disk_that_is_full_by_then_is_one_clear_line(signed: Project, patch: str) -> None:
    signed.write("checks/conftest.py", patch)
    outcome = signed.run()
    (line,) = [each for each in outcome.output.splitlines() if "No space left" in each]
    assert line == "NOT SEALED      the record cannot be written: results.tmp: No space left on device"
    assert "INTERNALERROR" not in outcome.output
    assert outcome.status == 3
    assert outcome.directory is not None
    assert not (outcome.directory / SUMS).exists()


def test_a_disk_that_is_full_hides_no_secret(signed: Project) -> None:
    signed.write(
        "checks/conftest.py", f"from opsverify import canary\ndef full(*_, **more): {FULL}\ncanary.log = full\n"
    )
    signed.change(
        "checks/health/test_it.py",
        "(judge):",
        f"(judge, request):\n    from opsverify.fixtures import RUN\n"
        f"    (request.config.stash[RUN].directory / 'stray.txt').write_text('{SECRET}')",
    )
    outcome = signed.run()
    assert outcome.directory is not None
    assert not (outcome.directory / "stray.txt").exists()
    assert "SECRET databases.pg (plain, line 1) in stray.txt: the file was deleted" in outcome.output
    assert "NOT SEALED" in outcome.output


def test_a_format_that_cannot_be_rendered_is_told_and_the_run_is_sealed_without_it(signed: Project) -> None:
    patch = "from opsverify.evidence import oscal, formats\ndef broken(source): raise KeyError('checks')\n"
    signed.write("checks/conftest.py", f"{patch}formats.FORMATS['oscal'] = formats.Format(oscal.NAME, broken)\n")
    outcome = signed.run()
    assert "NOT WRITTEN     oscal-assessment-results.json: KeyError: 'checks'" in outcome.output
    assert "INTERNALERROR" not in outcome.output
    assert outcome.status == 1
    assert outcome.directory is not None
    assert bundle.verify(outcome.directory, trusted(signed)).holds
    assert (outcome.directory / "ocsf.jsonl").exists()


@pytest.mark.parametrize("name", ["PREV", SUMS, SIGNATURE])
def test_a_folder_that_cannot_be_written_to_is_one_clear_line(
    runs: Runs, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    write = files.write

    def full(path: Path, content: bytes) -> None:
        if path.name == name:
            raise OSError(28, "No space left on device")
        write(path, content)

    runs.sealed()
    directory = runs.written()
    with monkeypatch.context() as patched:
        patched.setattr(files, "write", full)
        with pytest.raises(SealingError, match=f"{directory.name}: No space left on device"):
            runs.seal(directory)
    assert words(runs.verify(directory).findings) == ["UNFINISHED"]
    runs.sealed()
    assert runs.chain().holds


def test_what_is_sealed_is_on_the_disk_before_its_manifest_is(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or a power cut leaves a run that somebody seems to have altered."""
    directory = runs.written()
    kept: set[int] = set()
    fsync, write = os.fsync, files.write

    def counting(handle: int) -> None:
        kept.add(os.fstat(handle).st_ino)
        fsync(handle)

    def checking(path: Path, content: bytes) -> None:
        if path.name == SUMS:
            everything = [directory.parent, directory, *directory.rglob("*")]
            assert [each.name for each in everything if each.stat().st_ino not in kept] == []
        write(path, content)

    monkeypatch.setattr(os, "fsync", counting)
    monkeypatch.setattr(files, "write", checking)
    runs.seal(directory)
    assert runs.verify(directory).holds


def test_a_head_that_cannot_be_written_is_told_and_the_run_is_sealed(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = files.write

    def full(path: Path, content: bytes) -> None:
        if path.name == "HEAD":
            raise OSError(30, "Read-only file system")
        write(path, content)

    directory = runs.written()
    with monkeypatch.context() as patched:
        patched.setattr(files, "write", full)
        assert "HEAD cannot be written: Read-only file system" in runs.seal(directory).remark
    assert runs.verify(directory).holds
    assert "the chain goes on after" in runs.seal(runs.written()).remark
    assert runs.chain().findings == ()


def test_reports_that_cannot_be_written_stop_a_run_before_it_begins(signed: Project) -> None:
    signed.write("taken", "a file")
    outcome = signed.run("--reports", str(signed.root / "taken"))
    assert outcome.status == 4
    assert "taken/test: runs cannot be recorded there: Not a directory" in outcome.output
    assert "Traceback" not in outcome.output


def hook(project: Project, script: str, more: str = "") -> None:
    project.write("hook.py", f"import sys, time, os\n{script}\n")
    program = json.dumps([sys.executable, "hook.py", "$HOME; echo *"])
    project.write("profiles/test/profile.toml", f"{PROFILE}{EVIDENCE}publish = {program}\n{more}")


def published(project: Project) -> dict[str, object]:
    (path,) = project.root.glob("reports/test/*.published.json")
    found: dict[str, object] = json.loads(path.read_text(encoding="utf-8"))
    return found


def test_the_digest_is_given_to_a_hook_as_a_word_of_its_own(signed: Project) -> None:
    hook(signed, "print(sys.argv[1:]); open('got', 'w').write(sys.argv[-1])")
    outcome = signed.run()
    assert outcome.status == 0
    assert outcome.directory is not None
    digest = manifest.digest_of((outcome.directory / SUMS).read_bytes())
    assert (signed.root / "got").read_text(encoding="utf-8") == digest
    kept = published(signed)
    assert kept["digest"] == digest
    assert kept["status"] == 0
    assert kept["output"] == f"['$HOME; echo *', '{digest}']"
    assert bundle.verify(outcome.directory, trusted(signed)).holds
    assert stream.verify(outcome.directory.parent, trusted(signed), head=digest).findings == ()


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("print('no network'); sys.exit(3)", "ended with status 3: no network"),
        ("time.sleep(60)", "had not ended after 1 s, and was ended"),
        ("os.kill(os.getpid(), 9)", "was ended by signal 9"),
        (f"print('{SECRET}'); sys.exit(1)", "ended with status 1: [redacted]"),
    ],
)
def test_a_hook_that_fails_is_told_loudly_and_the_run_stands(signed: Project, script: str, said: str) -> None:
    hook(signed, script, "publish_seconds = 1.0\n")
    outcome = signed.run("--color=yes")
    assert outcome.status == 0
    (line,) = [each for each in outcome.output.splitlines() if "NOT PUBLISHED" in each]
    assert "\x1b[31m" in line
    assert said in line
    assert "(the run stands)" in line
    assert said in str(published(signed)["problem"])
    assert SECRET not in json.dumps(published(signed))
    assert outcome.directory is not None
    assert bundle.verify(outcome.directory, trusted(signed)).holds


def test_a_hook_that_is_not_there_is_told(signed: Project) -> None:
    signed.write("profiles/test/profile.toml", f'{PROFILE}{EVIDENCE}publish = ["no-such-program-here"]\n')
    outcome = signed.run()
    assert outcome.status == 0
    assert "NOT PUBLISHED   no-such-program-here: cannot be started" in outcome.output


def test_a_file_with_a_secret_is_withheld_from_what_is_sealed(signed: Project) -> None:
    signed.write(
        "checks/health/test_it.py",
        "import pytest\nfrom opsverify.judgement import holds\n"
        '@pytest.mark.requirement("TST-PASS-01", "TST-NA-01")\n'
        "def test_it(judge, request, subject):\n    from opsverify.fixtures import RUN\n"
        "    run = request.config.stash[RUN]\n"
        f"    (run.directory / 'stray.txt').write_text('{SECRET}')\n"
        "    judge([holds('a', 1, '1', met=True)])\n",
    )
    outcome = signed.run()
    assert outcome.status == 1
    assert "SECRET databases.pg (plain, line 1) in stray.txt: the file was deleted" in outcome.output
    assert outcome.directory is not None
    found = bundle.verify(outcome.directory, trusted(signed))
    assert found.holds, found.told()
    assert "stray.txt" not in manifest.parse((outcome.directory / SUMS).read_bytes())
    assert '"file": "stray.txt"' in (outcome.directory / "redactions.json").read_text(encoding="utf-8")


def keygen(path: Path, *options: str, mode: int = 0o600) -> None:
    subprocess.run(["ssh-keygen", "-q", *options, "-f", str(path)], check=True, capture_output=True)
    path.chmod(mode)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: keygen(path, "-t", "ed25519", "-N", "correct horse"), "is encrypted; expected a key without"),
        (
            lambda path: keygen(path, "-t", "rsa", "-b", "2048", "-N", ""),
            "is of another algorithm, expected ssh-ed25519",
        ),
        (lambda path: keygen(path, "-t", "ecdsa", "-N", ""), "is of another algorithm, expected ssh-ed25519"),
        (
            lambda path: path.write_text("-----BEGIN PRIVATE KEY-----\n", encoding="utf-8"),
            "expected an OpenSSH private key",
        ),
        (lambda path: path.write_bytes(b"\xff\xfe"), "expected an OpenSSH private key"),
        (lambda path: path.mkdir(), "cannot be read: Is a directory"),
        (
            lambda path: path.write_text("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n", encoding="utf-8"),
            "is not understood as an OpenSSH private key",
        ),
        (lambda path: keygen(path, "-t", "ed25519", "-N", "", mode=0o640), "may be read by others (mode 0640)"),
        (lambda path: keygen(path, "-t", "ed25519", "-N", "", mode=0o604), "may be read by others (mode 0604)"),
    ],
)
def test_a_key_that_may_not_be_used_is_refused_in_one_line(
    tmp_path: Path, make: Callable[[Path], object], said: str
) -> None:
    path = tmp_path / "other"
    make(path)
    if path.is_file() and "mode" not in said:
        path.chmod(0o600)
    settings = Evidence.model_validate({"key": {"file": "other"}, "identity": RUNNER})
    with pytest.raises(UsageError, match=f"profiles/test/profile.toml: evidence.key.*{re.escape(said)}") as refused:
        signing.of(settings, tmp_path, tmp_path / "profiles/test/profile.toml")
    assert "\n" not in str(refused.value)
    assert "correct horse" not in str(refused.value)


def test_a_run_with_an_encrypted_key_does_not_begin(signed: Project) -> None:
    keygen(signed.root / "other", "-t", "ed25519", "-N", "correct horse")
    signed.change("profiles/test/profile.toml", "runner_ed25519", "other")
    outcome = signed.run()
    assert outcome.status == 4
    (line,) = [each for each in outcome.output.splitlines() if "is encrypted" in each]
    assert line.startswith("ERROR: profiles/test/profile.toml: evidence.key")
    assert outcome.directory is None


def test_a_key_of_ssh_keygen_signs_from_a_file_and_from_the_environment(
    signed: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = signed.root / "made"
    keygen(path, "-t", "ed25519", "-N", "", "-C", "made for runs")
    line = path.with_suffix(".pub").read_text(encoding="utf-8")
    (signed.root / "allowed_signers").write_text(f"{RUNNER} {line}", encoding="utf-8")
    signed.change("profiles/test/profile.toml", "runner_ed25519", "made")
    first = signed.run().directory
    monkeypatch.setenv("SIGNING_KEY_OF_A_RUN", path.read_text(encoding="utf-8"))
    signed.change("profiles/test/profile.toml", '{ file = "made" }', '{ env = "SIGNING_KEY_OF_A_RUN" }')
    second = signed.run().directory
    for each in (first, second):
        assert each is not None
        assert bundle.verify(each, trusted(signed)).holds


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('key = { file = "x" }', "expected identity"),
        ('identity = "a b"', "identity"),
        ('identity = "*@test"', "identity"),
        ("publish = 'sh -c x'", "publish"),
        ("retention_days = 0", "retention_days"),
        ("publish_seconds = 601", "publish_seconds"),
        ("sign = true", "sign"),
    ],
)
def test_a_table_that_is_not_in_order_is_one_line(project: Project, text: str, said: str) -> None:
    project.write("profiles/test/profile.toml", f"{PROFILE}\n[evidence]\n{text}\n")
    for read in (
        lambda: profile.load("test", project.root, today=NOW.date(), secrets=False),
        lambda: profile.evidence("test", project.root, must=True),
    ):
        with pytest.raises(UsageError, match=f"profiles/test/profile.toml: evidence.*{said}"):
            read()
