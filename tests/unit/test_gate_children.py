"""What the gate starts ends with the gate, in bounded time, and what it says is kept without secrets."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from opsverify.changes import Change
from opsverify.ending import ends_in_order
from opsverify.errors import UsageError
from opsverify.gate import children, rollback
from opsverify.redaction import Redactor

ROOT = Path(__file__).parents[2]


def ran(script: str, root: Path, seconds: float = 20) -> tuple[children.Ended, list[str]]:
    shown: list[str] = []
    redactor = Redactor()
    redactor.add("hunter22hunter22")
    return children.bounded(["sh", "-c", script], root, seconds, redactor.text, shown.append), shown


def test_a_program_is_shown_and_kept_without_secrets(tmp_path: Path) -> None:
    ended, shown = ran("echo one; echo it is hunter22hunter22 >&2; printf three; exit 3", tmp_path)
    assert (ended.status, ended.output) == (3, "one\nit is [redacted]\nthree")
    assert shown == ended.output.split("\n")


def test_what_a_program_says_at_length_is_kept_from_both_ends(tmp_path: Path) -> None:
    ended, shown = ran("seq 1 5000", tmp_path)
    lines = ended.output.split("\n")
    assert len(shown) == 5000
    assert (lines[0], lines[children.HEAD], lines[-1]) == ("1", "[4200 lines are left out here]", "5000")


def test_an_endless_line_is_cut(tmp_path: Path) -> None:
    ended, shown = ran("head -c 1000000 /dev/zero | tr '\\0' x; echo; echo end", tmp_path)
    assert len(shown[0]) < 5000
    assert ended.output.endswith("\nend")


def test_a_program_that_takes_too_long_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    begun = time.monotonic()
    ended, _ = ran("sleep 300 & echo $! > child; echo begun; wait", tmp_path, 0.5)
    assert ended.status is None
    assert ended.output == "begun"
    assert time.monotonic() - begun < children.GRACE_S
    assert gone(int((tmp_path / "child").read_text()))


def test_what_a_program_leaves_running_is_not_waited_for(tmp_path: Path) -> None:
    begun = time.monotonic()
    ended, _ = ran("sleep 30 & echo $! > child; echo done", tmp_path)
    assert (ended.status, ended.output) == (0, "done")
    assert time.monotonic() - begun < 15
    os.kill(int((tmp_path / "child").read_text()), signal.SIGKILL)


def gone(pid: int) -> bool:
    for _ in range(400):  # as long as a busy machine may take
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.usefixtures("signals_heard")
@pytest.mark.parametrize("told", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("how", ["watched", "bounded"])
def test_whoever_ends_the_gate_ends_what_it_started(told: signal.Signals, how: str, tmp_path: Path) -> None:
    script = "echo $$ > child; sleep 300"

    def held() -> None:
        with ends_in_order():
            threading.Thread(target=_tell, args=(tmp_path / "child", told), daemon=True).start()
            if how == "watched":
                children.watched(["sh", "-c", script], tmp_path)
            else:
                ran(script, tmp_path)

    with pytest.raises(KeyboardInterrupt):
        held()
    assert gone(int((tmp_path / "child").read_text()))


@pytest.mark.usefixtures("signals_heard")
@pytest.mark.parametrize("how", ["watched", "bounded"])
def test_whoever_ends_the_gate_while_a_program_is_being_started_ends_it(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[int] = []

    class Told(subprocess.Popen[bytes]):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            started.append(self.pid)
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(subprocess, "Popen", Told)
    with pytest.raises(KeyboardInterrupt), ends_in_order():
        children.watched(["sleep", "300"], tmp_path) if how == "watched" else ran("sleep 300", tmp_path)
    assert gone(started[0])


def _tell(child: Path, told: signal.Signals) -> None:
    while not child.exists() or not child.read_text().strip():
        time.sleep(0.02)
    os.kill(os.getpid(), told)


@pytest.mark.usefixtures("signals_heard")
def test_the_suite_is_told_politely_first(tmp_path: Path) -> None:
    """So that it can write down what it has, as it does on Ctrl-C."""
    script = (
        "import time\n"
        "try:\n    open('child', 'w').close()\n    time.sleep(300)\n"
        "except KeyboardInterrupt:\n    open('told', 'w').close()\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], cwd=tmp_path, process_group=0) as child:
        while not (tmp_path / "child").exists():
            time.sleep(0.02)
        children.end(child, (signal.SIGINT, signal.SIGTERM))
    assert (tmp_path / "told").exists()


# ---- the hook


def change(hook: list[str] | None) -> Change:
    known = {"id": "CHG-1", "class": "standard", "reason": "feature", "summary": "s", "on_no_go": hook}
    return Change.model_validate(known)


def script(root: Path, text: str, mode: int = 0o755) -> None:
    (root / "scripts").mkdir(exist_ok=True)
    path = root / "scripts" / "rollback.sh"
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(mode)


def test_the_hook_runs_in_the_root_without_a_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script(tmp_path, 'pwd; for each in "$@"; do echo "[$each]"; done; exit 7')
    monkeypatch.chdir("/")
    hook = rollback.command(change(["./scripts/rollback.sh", "$(id)", "a b; c"]), tmp_path)
    done = rollback.execute(hook, tmp_path, 20, str, lambda _: None)
    assert (done.exit_status, done.output) == (7, f"{tmp_path.resolve()}\n[$(id)]\n[a b; c]")
    assert done.command == ["./scripts/rollback.sh", "$(id)", "a b; c"]


@pytest.mark.parametrize(
    ("hook", "said"),
    [
        (None, "CHG-1: on_no_go: --execute-rollback needs it"),
        (["./scripts/none.sh"], "CHG-1: on_no_go: './scripts/none.sh' is no program that can be run (from the project"),
        (["./scripts/rollback.sh"], "is no program that can be run"),
        (["./scripts"], "is no program that can be run"),
        (["no-such-program-anywhere"], "is no program that can be run (on the PATH)"),
    ],
)
def test_a_hook_that_cannot_be_run_is_told_before_anything_is_asked(
    hook: list[str] | None, said: str, tmp_path: Path
) -> None:
    script(tmp_path, "true", 0o644)
    with pytest.raises(UsageError) as told:
        rollback.command(change(hook), tmp_path)
    assert said in str(told.value)


def test_a_hook_without_an_interpreter_is_told_in_one_line(tmp_path: Path) -> None:
    script(tmp_path, "")
    (tmp_path / "scripts/rollback.sh").write_text("#!/no/such/interpreter\n", encoding="utf-8")
    done = rollback.execute(["./scripts/rollback.sh"], tmp_path, 5, str, lambda _: None)
    assert done.exit_status == rollback.NOT_STARTED
    assert "cannot be started" in done.output
