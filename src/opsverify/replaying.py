"""The pytest side of ``opsverify replay``: the same checks, on what a run left behind, asking nobody."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from opsverify import inputs
from opsverify.errors import RefusedError, UsageError
from opsverify.evidence.reading import record_of
from opsverify.record import subject_of
from opsverify.recorded import NOT_RECORDED, Recorded, order
from opsverify.recount import subject
from opsverify.run import Run

# What would reach somebody: events that Python tells of before it happens.
FORBIDDEN = frozenset(
    """
    socket.connect socket.bind socket.sendto socket.sendmsg socket.getaddrinfo socket.gethostbyname
    socket.gethostbyaddr subprocess.Popen os.system os.exec os.posix_spawn os.spawn os.fork os.forkpty pty.spawn
    """.split()  # noqa: SIM905
)

Entry = dict[str, Any]


def options(group: pytest.OptionGroup) -> None:
    """Options that ``opsverify replay`` sets; they stand in nobody's help."""
    for name in ("--replay", "--replay-to", "--replay-limits"):
        group.addoption(name, default=None, help=f"{name}: set by opsverify replay")


def begin(config: pytest.Config) -> Run | None:
    """The run that is to be replayed, with the plugin that does so; None where there is none.

    Raises:
        UsageError: the run cannot be replayed.
    """
    directory, limits = config.getoption("replay"), config.getoption("replay_limits")
    if directory is None:
        return None
    if config.getoption("replay_to") is None:
        raise UsageError("--replay is set by opsverify replay: use that")
    run = inputs.again(Path(directory), Path(limits) if limits else None)
    performed = performed_in(record_of(Path(directory)))
    config.pluginmanager.register(Replaying(run, performed, Path(config.getoption("replay_to"))), "opsverify-replaying")
    return run


def performed_in(results: dict[str, Any]) -> dict[str, Entry]:
    """The entries of the checks that the run did perform, by subject: what was left out, or lost, has no node id."""
    return {subject(each): each for each in results["checks"] if each["check"]}


class Replaying:
    """Runs the checks that the run performed, in its order, each with the answers of its own process."""

    def __init__(self, run: Run, performed: dict[str, Entry], to: Path) -> None:
        self.run = run
        self.performed = performed
        self.to = to
        self.entries: dict[str, Entry] = {}

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self) -> None:
        """From before the checks are imported on, nobody is reached."""
        load_clients()
        sys.addaudithook(_forbid)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Keep what the run performed, in the order in which it was asked: a fact belongs to who asked for it first.

        A check that asked nothing of its own comes after those that did: what it goes by was there before it.
        """
        assert isinstance(self.run.transcript, Recorded)
        asked = order(self.run.transcript.exchanges)
        places = {}
        for item in items:
            entry = self.performed.get(str(subject_of(item)))
            if entry is not None:
                places[item] = (entry.get("worker", ""), asked.get(entry["check"], len(asked)))
        items[:] = sorted(places, key=lambda each: places[each])

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Each parallel worker had channels and facts of its own; so have its checks here."""
        worker = self.performed[str(subject_of(item))].get("worker", "")
        if worker != self.run.transcript.part:
            self.run.transcript.part = worker
            self.run.close()
            self.run.channels.clear()
            self.run.facts.clear()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the entry of a check; one that had a question without an answer has not seen all that the run saw."""
        entry: Entry | None = getattr(report, "opsverify", None)
        if entry is None:
            return
        if NOT_RECORDED in entry["exchanges"] and entry["state"] != "error":
            why = "the transcript lacks an answer that it needs"
            entry["state"] = entry["result"] = "error"
            entry["message"] = f"{why}; without it: {entry['message']}" if entry["message"] else why
        self.entries[subject(entry)] = entry

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        """Write down what came of it; nothing where pytest itself went wrong."""
        if exitstatus not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED):
            return
        # As a record is written: what looks like a secret masked, halves of characters spelled out.
        entries = self.run.redactor.value(list(self.entries.values()))
        self.to.write_text(json.dumps(entries, ensure_ascii=False, allow_nan=False), "utf-8")


def load_clients() -> None:
    """Load what otherwise is loaded with the first question to a kind of system, and may look around as it is.

    As that of HTTP does, which tries whether there is IPv6: afterwards that would be taken for a question.
    """
    for name in ("cache", "names", "sql", "tls", "web"):
        import_module(f"opsverify.channels.{name}")


def _forbid(event: str, _: tuple[Any, ...]) -> None:
    if event in FORBIDDEN:
        raise RefusedError(f"a replay asks no system and starts no program ({event})")
