"""Facts about changes: their records, what really runs, and the scripts that deploy and go back."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from opsverify import changes
from opsverify.changes import Change
from opsverify.channels.document import DocumentChannel
from opsverify.channels.shell import Host
from opsverify.errors import UnansweredError
from opsverify.probes import absent, containers, output, schedules, scripts
from opsverify.probes.scripts import Script
from opsverify.shell.deploying import Step, steps
from opsverify.shell.facts import Job
from opsverify.shell.values import ANY

# A script that deploys is given a service and a version, perhaps more; which ones cannot be told.
UNTOLD_ARGUMENTS = f"{ANY} {ANY} {ANY}"
DIGEST_LINE = re.compile(r"\\?([0-9a-f]{64}) [ *](/.*)")


@dataclass(frozen=True)
class Records:
    """The change records in the order of their files, and the SHA-256 of each test artefact; None where it is gone."""

    folder: str
    changes: tuple[Change, ...]
    artefacts: Mapping[str, str | None]

    def shown(self) -> dict[str, str]:
        """As the record of a run keeps what its verdict rests on."""
        newest = max((each.done for each in self.changes if each.done is not None), default=None)
        return {
            "statement": f"{len(self.changes)} change records in {self.folder}/, each step with who took it and when",
            "by": ", ".join(sorted({each.request.by for each in self.changes if each.request})) or "nobody named",
            "reviewed_by": ", ".join(sorted({each.approval.by for each in self.changes if each.approval})) or "nobody",
            "date": "nothing carried out yet" if newest is None else newest.date().isoformat(),
            "expires": "the next change",
        }


@dataclass(frozen=True)
class Deployment:
    """A script that deploys or goes back, as it reads.

    ``found`` is None where it is not there; ``steps`` is what it does about what runs, with all that it runs, in order;
    ``commands`` counts those that were read; ``gone`` are scripts that it goes back by and that are not there;
    ``doubts`` is what could not be read.
    """

    path: str
    found: Script | None
    steps: tuple[Step, ...] = ()
    commands: int = 0
    gone: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()


def records(program: DocumentChannel) -> Records:
    """All change records; none where there is no folder of them.

    Raises:
        UnansweredError: a file cannot be read.
        UsageError: a record is not well-formed any more (a run is refused where it is so at the start).
    """
    found = tuple(changes.parse(text, file) for file, text in program.records("changes").items())
    named = {each.test.artefact for each in found if each.test is not None}
    digests = {each: program.digest(each) for each in sorted(named)}
    return Records(program.documents.shown("changes"), found, digests)


def digests(host: Host, paths: tuple[str, ...]) -> dict[str, str | None]:
    """The SHA-256 of files on a host, by path; None for one that is not there.

    Raises:
        UnansweredError: one may not be read.
    """
    there = [each for each in paths if not absent(host, each)]
    found: dict[str, str | None] = dict.fromkeys(paths)
    if there:
        found.update(parse_digests(output(host, shlex.join(["sha256sum", "--", *there])), there))
    return found


def parse_digests(text: str, paths: list[str]) -> dict[str, str]:
    """Parse what sha256sum prints of these files.

    Raises:
        UnansweredError: a line is missing, of another file, or not understood.
    """
    lines = [DIGEST_LINE.fullmatch(line) for line in text.splitlines()]
    if [each and each[2] for each in lines] != paths:
        raise UnansweredError(f"sha256sum: expected a line for each of {', '.join(paths)}, got {text[:200]!r}")
    return {each[2]: each[1] for each in lines if each}


def deployment(host: Host, path: str, rollbacks: tuple[str, ...], names: tuple[str, ...]) -> Deployment:
    """Read a script with all that it runs; nothing of it is run.

    ``rollbacks`` are the paths of the host's rollback scripts, ``names`` those of the API whose health is asked for.

    Raises:
        UnansweredError: it may not be looked at or read.
    """
    found = scripts.script(host, path)
    if found is None:
        return Deployment(path, None)
    followed = schedules.following(host, [Job(path, f"{shlex.quote(path)} {UNTOLD_ARGUMENTS}")])
    told = tuple(each for each in steps(followed, rollbacks, names) if each.script != path)  # it does not run itself
    gone = tuple(dict.fromkeys(each.script for each in told if each.script and absent(host, each.script)))
    doubts = [f"{place}: {why}" for place, why in followed.doubts]
    doubts += [f"{each}: is no shell script, so it is not read" for each in followed.foreign]
    return Deployment(path, found, told, len(followed.ran), gone, tuple(doubts))


def images(host: Host, wanted: tuple[str, ...]) -> dict[str, bool]:
    """Whether the host's engine has these images, by id."""
    return {each: containers.has_image(host, each) for each in wanted}
