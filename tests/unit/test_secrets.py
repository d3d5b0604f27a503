"""A secret that is planted anywhere reaches no file; one that does reach a file is found, and the file withheld."""

from __future__ import annotations

import base64
import json
import os
import time
from pathlib import Path
from urllib.parse import quote

import pytest

from opsverify import canary
from opsverify.evidence.formats import FORMATS
from opsverify.redaction import Redactor, Tally
from opsverify.spellings import OVERLAP, PIECE
from tests.unit.small_project import SECRET, Outcome, Project, entries, single

PLANTED = """
import base64
import os
import subprocess
import sys
import warnings

import pytest

from opsverify.errors import UnansweredError, UnreachableError
from opsverify.judgement import holds

S = os.environ["TEST_SECRET"]


def seen(met=True, observed="x"):
    return [holds("it", observed, "x", met=met)]


@pytest.mark.requirement("TST-OUTPUT-01")
def test_output_of_commands(host, judge):
    text = host.file(str(ROOT / "leak")).content_string
    wrapped = host.run("cat %s", str(ROOT / "wrapped")).stdout
    environment = host.run("cat /proc/self/environ").stdout
    missing = host.run("cat %s", f"/nowhere/{S}").stderr
    judge(seen(True, text + wrapped + environment + missing))


@pytest.mark.requirement("TST-ERROR-01")
def test_error():
    raise UnreachableError(f"postgres://ops:{S}@db:5432/x refused; Authorization: Basic "
                           + base64.b64encode(b"ops:" + S.encode()).decode())


@pytest.mark.requirement("TST-TRACE-01")
def test_traceback():
    password = S
    def inner(password):
        raise ValueError(f"{password!r} {S.encode().hex()} {ascii(password)}")
    try:
        inner(password)
    except ValueError as error:
        raise RuntimeError("second " + S) from error


@pytest.mark.requirement("TST-CAPTURED-01")
def test_captured(capfd, judge, caplog):
    with capfd.disabled():
        pass
    judge(seen())


@pytest.mark.requirement("TST-PRINTED-01")
def test_printed(judge):
    import logging
    print("out", S)
    print("err", S, file=sys.stderr)
    subprocess.run(["sh", "-c", "echo child $TEST_SECRET; echo child $TEST_SECRET >&2"])
    logging.getLogger("x").error("log %s", S)
    judge(seen(False, S))


@pytest.mark.filterwarnings("default")
@pytest.mark.requirement("TST-WARNS-01")
def test_warns(judge):
    warnings.warn("careless " + S)
    judge(seen())


@pytest.mark.requirement("TST-PROPERTY-01")
def test_properties(judge, record_property, extras):
    import pytest_html
    record_property("key " + S, S)
    record_property("object", [S])
    extras.append(pytest_html.extras.text(S, name="n" + S))
    extras.append(pytest_html.extras.url(f"https://u:{S}@x/"))
    judge(seen())


@pytest.fixture
def broken():
    raise OSError(2, "no such file", f"/tmp/{S}")


@pytest.mark.requirement("TST-SETUP-01")
def test_setup(broken):
    pass


@pytest.fixture
def ends_badly():
    yield
    raise UnansweredError("late " + S)


@pytest.mark.requirement("TST-TEARDOWN-01")
def test_teardown(ends_badly, judge):
    judge(seen())


@pytest.mark.requirement("TST-SKIP-01")
def test_skip():
    pytest.skip("no " + S)


def test_of_no_requirement(record_testsuite_property):
    print(S)
    record_testsuite_property("suite " + S, S)
    assert S == "else", S
"""
NAMES = ("OUTPUT", "ERROR", "TRACE", "CAPTURED", "PRINTED", "WARNS", "PROPERTY", "SETUP", "TEARDOWN", "SKIP")
SEARCHED = {
    *("inputs/catalogue.json", "inputs/profile.json", "inputs/profile.toml", "inputs/run.json"),
    *("results.json", "transcript.jsonl", "report.html", "evidence.html", "redactions.json"),
    *(each.file for each in FORMATS.values()),
}
FILES = SEARCHED | {"PREV", "seal.json", "SHA256SUMS"}
SPEAKING = {"results.json", "transcript.jsonl", "report.html", "evidence.html", "junit.xml"}  # of what checks said


def files(directory: Path) -> dict[str, Path]:
    """Every file of a run, by its name below the run's folder."""
    return {str(each.relative_to(directory)): each for each in directory.rglob("*") if not each.is_dir()}


def planted(root: Path) -> Project:
    project = Project(root)
    project.write("checks/health/requirements.toml", entries(*(f"TST-{each}-01" for each in NAMES), "TST-NA-01"))
    body = PLANTED.replace("S = os.environ", f"ROOT = __import__('pathlib').Path({str(root)!r})\nS = os.environ")
    project.write("checks/health/test_it.py", body + NOT_APPLICABLE)
    encoded = base64.b64encode(f"x{SECRET}".encode()).decode()
    project.write("wrapped", f"{encoded[:9]}\n{encoded[9:]}\n{quote(SECRET)}\n")
    return project


NOT_APPLICABLE = """

@pytest.mark.requirement("TST-NA-01")
def test_not_applicable(judge):
    judge(seen())
"""


@pytest.fixture(scope="module", params=[(), ("-n", "2")], ids=["one process", "parallel"])
def leaky(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    project = planted(tmp_path_factory.mktemp("planted"))
    return project.run("-o", "junit_logging=all", "--showlocals", *request.param)


def forms(secret: str) -> list[bytes]:
    raw = secret.encode()
    cores = [base64.b64encode(b"\0" * shift + raw)[4:-4] for shift in range(3)]
    return [raw, *cores, raw.hex().encode(), raw.hex().upper().encode()]


def test_what_is_planted_anywhere_reaches_no_file(leaky: Outcome) -> None:
    assert leaky.directory is not None, leaky.output
    written = files(leaky.directory)
    assert set(written) == FILES
    for path in written.values():
        for form in forms(SECRET):
            assert form not in path.read_bytes(), (path.name, form)
    assert "SECRET" not in leaky.output.replace("TEST_SECRET", ""), leaky.output[-2000:]
    log = json.loads((leaky.directory / "redactions.json").read_text(encoding="utf-8"))
    assert log["withheld"] == []
    states = leaky.states()
    assert states["TST-ERROR-01-one"] == states["TST-TRACE-01-one"] == states["TST-SETUP-01-one"] == "error"
    assert states["TST-PRINTED-01-one"] == "fail"


def test_every_view_shows_that_something_was_masked(leaky: Outcome) -> None:
    assert leaky.directory is not None
    for name in SPEAKING:
        assert "[redacted]" in (leaky.directory / name).read_text(encoding="utf-8"), name


def test_the_log_tells_names_forms_and_places(leaky: Outcome) -> None:
    assert leaky.directory is not None
    text = (leaky.directory / "redactions.json").read_text(encoding="utf-8")
    log = json.loads(text)
    assert log["secrets"] == ["databases.pg"]
    assert log["exchanges"], "commands said the secret"
    known = {each["id"] for each in leaky.exchanges}
    assert set(log["exchanges"]) <= known
    spelled = {row["form"] for rows in log["exchanges"].values() for row in rows if row["secret"] == "databases.pg"}
    assert {"plain", "base64, broken into lines"} <= spelled
    (printed,) = [rows for node, rows in log["checks"].items() if "test_printed[TST-PRINTED-01-one]" in node]
    assert sum(each["times"] for each in printed) >= 5
    traced = [rows for node, rows in log["checks"].items() if "test_traceback" in node]
    assert any(row["form"] == "hexadecimal" for rows in traced for row in rows)
    assert log["searched"]["files"] == len(SEARCHED)


CRASH = """
import os
import sys

import pytest

from opsverify.judgement import holds


@pytest.mark.requirement("TST-PASS-01", "TST-NA-01")
def test_it(host, judge, request):
    host.file(str(request.config.rootpath / "leak")).content_string
    print(os.environ["TEST_SECRET"], file=sys.__stderr__)
    os._exit(3)
"""


def test_a_crashed_worker_is_told_of_without_what_it_knew(project: Project) -> None:
    project.write("checks/health/test_it.py", CRASH)
    outcome = project.run("-n", "1")
    assert outcome.status == 1
    assert outcome.states()["TST-PASS-01-one"] == "error"
    assert "crashed" in outcome.entry("TST-PASS-01")["message"]
    assert outcome.directory is not None
    for path in files(outcome.directory).values():
        assert SECRET not in path.read_text(encoding="utf-8"), path.name
    log = json.loads((outcome.directory / "redactions.json").read_text(encoding="utf-8"))
    assert log["exchanges"], "what a worker asked before it died is on record, and so is what was masked in it"


def test_a_module_that_breaks_while_it_is_loaded_says_nothing(project: Project) -> None:
    project.write(
        "checks/health/test_broken.py",
        'import os\nS = os.environ["TEST_SECRET"]\nraise ValueError(f"cannot use {S}")\n',
    )
    outcome = project.run("--showlocals")
    assert outcome.status != 0
    assert "cannot use [redacted]" in outcome.output
    assert SECRET not in outcome.output
    assert outcome.directory is not None
    for path in files(outcome.directory).values():
        assert SECRET not in path.read_text(encoding="utf-8"), path.name


INTERNAL = """
import os
import pytest

@pytest.hookimpl(trylast=True)
def pytest_runtest_logfinish(nodeid):
    password = os.environ["TEST_SECRET"]
    raise RuntimeError("broken by " + password)
"""


def test_an_internal_error_says_nothing(project: Project) -> None:
    project.write("checks/health/conftest.py", INTERNAL)
    outcome = project.run("--showlocals")
    assert outcome.status == pytest.ExitCode.INTERNAL_ERROR
    assert "broken by [redacted]" in outcome.output
    assert SECRET not in outcome.output
    assert outcome.directory is not None
    for path in files(outcome.directory).values():
        assert SECRET not in path.read_text(encoding="utf-8"), path.name


LEAK = """
import base64
import os
import pytest

@pytest.fixture(autouse=True)
def leak(run):
    found = os.environ["TEST_SECRET"]
    (run.directory / "below").mkdir(exist_ok=True)
    (run.directory / "below" / "extra.txt").write_text("\\n\\n" + base64.b64encode(b"x" + found.encode()).decode())
    (run.directory / found).write_text("harmless")
    if not (run.directory / "link").is_symlink():
        (run.directory / "link").symlink_to("/nowhere/" + found)
"""


def test_a_file_with_a_secret_fails_the_run_and_is_withheld(project: Project) -> None:
    project.write("checks/health/conftest.py", LEAK)
    outcome = project.run()
    assert outcome.status == 1
    assert outcome.results["run"]["verdict"] == "met"
    assert "SECRET databases.pg (base64, line 3) in below/extra.txt: the file was deleted; replace the secret" in (
        outcome.output
    )
    assert "SECRET databases.pg (plain, in its name) in [redacted]: the file was deleted" in outcome.output
    assert SECRET not in outcome.output
    assert outcome.directory is not None
    assert set(files(outcome.directory)) == FILES
    log = json.loads((outcome.directory / "redactions.json").read_text(encoding="utf-8"))
    assert [(each["file"], each["secret"], each["form"], each["line"], each["times"]) for each in log["withheld"]] == [
        ("below/extra.txt", "databases.pg", "base64", 3, 1),
        ("[redacted]", "databases.pg", "plain", 0, 1),
        ("link", "databases.pg", "plain", 0, 1),
    ]


UNMASKED = """
import os
from opsverify.record import Record
from opsverify.redaction import Redactor

before = Record.document

def document(self, ended):
    found = before(self, ended)
    found["checks"][0]["message"] = os.environ["TEST_SECRET"]
    return found

Record.document = document
Redactor.value = lambda self, value: value
"""


def test_of_a_record_that_was_withheld_there_is_no_other_format(project: Project) -> None:
    """They spell what it says in ways that no search knows: a newline is an arrow in one line, for instance."""
    project.write("checks/health/conftest.py", UNMASKED)
    outcome = project.run()
    assert outcome.status == 1
    assert outcome.directory is not None
    log = json.loads((outcome.directory / "redactions.json").read_text(encoding="utf-8"))
    assert {each["file"] for each in log["withheld"]} == {"results.json", "report.html"}
    assert not set(files(outcome.directory)) & {"results.json", *(each.file for each in FORMATS.values())}


@pytest.mark.parametrize(
    ("secret", "why"),
    [
        ("a", "shorter than 8 characters"),
        ("true", "shorter than 8 characters"),
        ("postgres-main", "stands in the profile itself"),
        ("no such thing here", "stands in the profile itself"),
        ("not-applicable", "among the words of every record"),
    ],
)
def test_what_would_mask_everything_is_refused_in_one_line(tmp_path: Path, secret: str, why: str) -> None:
    project = single(tmp_path)
    project.change("profiles/test/profile.toml", 'dbname = "x"', 'dbname = "postgres-main"')
    project.change("profiles/test/profile.toml", '{ env = "TEST_SECRET" }', '{ file = "secret" }')
    project.write("secret", secret + "\n")
    outcome = project.run()
    assert outcome.status == pytest.ExitCode.USAGE_ERROR
    (line,) = [each for each in outcome.output.split("\n") if "databases.pg" in each]
    assert why in line
    assert outcome.directory is None


def redactor() -> Redactor:
    found = Redactor()
    found.add(SECRET, "databases.pg")
    return found


@pytest.mark.parametrize("at", [0, 17, PIECE - 8, PIECE, PIECE + 1, 2 * PIECE - OVERLAP - 3, 2 * PIECE + 100])
def test_a_long_file_is_searched_over_all_its_seams(tmp_path: Path, at: int) -> None:
    line = b"." * 99 + b"\n"
    content = bytearray(line * ((2 * PIECE + 1000) // 100))
    content[at : at + len(SECRET)] = SECRET.encode()
    (tmp_path / "long").write_bytes(content)
    (found,) = canary.search(tmp_path, redactor()).finds
    assert (found.file, found.times, found.line) == ("long", 1, at // 100 + 1)


def test_what_cannot_be_searched_is_not_taken_for_clean(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "fine").write_text("fine", encoding="utf-8")
    told = canary.conclude(tmp_path, redactor())
    assert told == ["pipe: could not be searched: it is neither a file nor a folder: the file was deleted"]
    assert sorted(each.name for each in tmp_path.iterdir()) == ["fine", "redactions.json"]


def test_what_is_written_beside_the_run_is_searched_too(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    report = tmp_path / "elsewhere.xml"
    report.write_text(f"<a>{SECRET}</a>", encoding="utf-8")
    assert len(canary.conclude(tmp_path / "run", redactor(), beside=[report, tmp_path / "none.html"])) == 1
    assert not report.exists()


def test_the_log_holds_no_value_even_of_what_was_withheld(tmp_path: Path) -> None:
    (tmp_path / "a").write_text(f"x {SECRET} {SECRET.encode().hex()}", encoding="utf-8")
    masking = redactor()
    counted: Tally = Tally()
    masking.text(f"was {SECRET}", counted)
    canary.conclude(tmp_path, masking, checks={"test_it": counted})
    text = (tmp_path / "redactions.json").read_bytes()
    assert not masking.held(text)
    assert [(each["form"], each["line"]) for each in json.loads(text)["withheld"]] == [("plain", 1), ("hexadecimal", 1)]
    assert json.loads(text)["checks"] == {"test_it": [{"secret": "databases.pg", "form": "plain", "times": 1}]}


@pytest.mark.slow
def test_a_hundred_megabytes_are_searched_in_seconds(tmp_path: Path) -> None:
    said = 'tcp LISTEN 0 128 0.0.0.0:443 users:(("nginx",pid=1))\n' * 40 + "GET /a%41?x=1&amp;y ü\u2028"
    line = json.dumps({"answer": said, "question": "ss -H -tlnp"}) + "\n"
    (tmp_path / "transcript.jsonl").write_bytes(line.encode() * (100_000_000 // len(line)))
    masking = redactor()
    masking.add("another-secret-77", "caches.redis")
    masking.add("a-token-of-somebody", "links.grafana")
    begun = time.process_time()
    found = canary.search(tmp_path, masking)
    assert found.finds == ()
    assert found.bytes > 99_000_000
    assert time.process_time() - begun < 30
