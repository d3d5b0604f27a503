"""Rules of going back: the deploy gate, and the rollback script with the image that it needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from opsverify.judgement import Observation, holds, none_of
from opsverify.probes.changes import Deployment
from opsverify.probes.documents import Attested
from opsverify.rules.changes import Former
from opsverify.rules.statements import Missing, attestation, complete, lack
from opsverify.shell.deploying import Step

EXECUTABLE = 0o111


def gate(deployment: Deployment, drill: Attested | None, missing: Missing, now: datetime) -> list[Observation]:
    """The script that deploys asks for health after the change, goes back when that fails, and a drill has shown it.

    Which way a condition decides is not read but drilled.
    """
    seen, lacking = _script(deployment, missing)
    if deployment.found is not None:
        steps = deployment.steps
        back = next((i for i, each in enumerate(steps) if each.script), len(steps))
        changed = next((i for i, each in enumerate(steps[:back]) if each.kind == "changes"), -1)
        if changed < 0:
            lacking.append(f"{deployment.path}: nothing in it is known to change what runs{_doubts(deployment)}")
        asked = _asked(deployment, steps[changed + 1 :], seen, lacking)
        _goes_back(deployment, steps[steps.index(asked) + 1 :] if asked else steps[changed + 1 :], seen, lacking)
    drilled = attestation(drill, missing, now)
    return complete(seen + drilled[0], lacking + drilled[1])


def _asked(deployment: Deployment, steps: Sequence[Step], seen: list[Observation], lacking: list[str]) -> Step | None:
    """The request for health that counts: the first one after the change whose failure is noticed."""
    asks = [each for each in steps if each.kind == "asks"]
    good = next((each for each in asks if each.noticed), None)
    open_ = [each for each in asks if each.noticed is None] + [each for each in steps if each.kind == "unclear"]
    if good is None and open_:
        lacking.append(f"whether {open_[0]} asks for health, and fails when there is none: let curl --fail tell")
    elif good is None and not asks and deployment.doubts:
        lacking.append(f"{deployment.path}: nothing is seen to ask for health{_doubts(deployment)}")
    else:
        shown = str(good or next(iter(asks), "nothing"))
        shown += ", whose failure nobody notices" if asks and not good else ""
        expected = "a request of the health page after the change, which fails when that is unhealthy"
        seen.append(holds("asks for health", shown, expected, good is not None))
    return good


def _goes_back(deployment: Deployment, steps: Sequence[Step], seen: list[Observation], lacking: list[str]) -> None:
    """Something behind the request for health goes back, and really changes what runs."""
    backs = [
        (each, steps[i + 1 :])
        for i, each in enumerate(steps)
        if each.kind in ("goes back", "tags") and each.script not in deployment.gone
    ]
    good = next((each for each, rest in backs if _acts(each, rest)), None)
    again = next((each for each in steps if each.kind == "changes"), None)
    if good is None and not backs and again is not None and not _knows_better(deployment):
        lacking.append(f"whether {again} goes back: put it into a script that the profile names with the role rollback")
    elif good is None and not _knows_better(deployment) and deployment.doubts:
        lacking.append(f"{deployment.path}: nothing is seen to go back{_doubts(deployment)}")
    else:
        shown = str(good or next((f"{each}, which changes nothing" for each, _ in backs), "nothing"))
        seen.append(holds("goes back", shown, "a rollback that exists and changes what runs", good is not None))


def _acts(step: Step, rest: Sequence[Step]) -> bool:
    """A command that goes back acts by itself; a script, or a tag, by what comes behind it."""
    if step.kind == "tags" or step.script:
        return any(_changes(each) for each in rest)
    return _changes(step)


def _changes(step: Step) -> bool:
    """Whether a step, by itself, changes what runs."""
    return step.kind == "changes" or (step.kind == "goes back" and not step.script)


def _knows_better(deployment: Deployment) -> bool:
    """Whether it is known already that it goes back by what there is not."""
    return bool(deployment.gone) or any(each.kind == "no such command" for each in deployment.steps)


def at_hand(
    deployment: Deployment, previous: Sequence[Former], there: Mapping[str, bool], missing: Missing
) -> list[Observation]:
    """The rollback script is there, can be run, parses and changes what runs; and so is the image that it needs.

    ``there`` tells of each image of ``previous`` whether the engine has it.
    """
    seen, lacking = _script(deployment, missing)
    if deployment.found is not None:
        mode = deployment.found.entry.mode
        seen.append(holds(f"mode of {deployment.path}", f"{mode:04o}", "executable", bool(mode & EXECUTABLE)))
        acting = [each for each in deployment.steps if _changes(each)]
        if not acting and deployment.doubts:
            lacking.append(f"{deployment.path}: nothing is seen to change what runs{_doubts(deployment)}")
        else:
            shown = str(acting[0]) if acting else "nothing"
            seen.append(holds("goes back by", shown, "a command that changes what runs", bool(acting)))
    if not previous:
        lack("change carried out on this host", "none on record", missing, seen, lacking)
    for each in previous:
        name = f"image that {each.service} goes back to"
        if each.image is None:
            lack(name, f"none named by {each.change} or before it", missing, seen, lacking)
        else:
            present = there[each.image]
            shown = f"{each.image}, {'there' if present else 'gone'}"
            seen.append(holds(name, shown, f"on the host, for {each.change}", present))
    return complete(seen, lacking)


def _script(deployment: Deployment, missing: Missing) -> tuple[list[Observation], list[str]]:
    """The script is there, parses, and runs nothing that does not exist."""
    seen: list[Observation] = []
    lacking: list[str] = []
    if deployment.found is None:
        lack(f"script {deployment.path}", "none", missing, seen, lacking)
        return seen, lacking
    syntax = deployment.found.syntax
    seen.append(holds(f"{deployment.path} parses", syntax or "yes", "yes", not syntax))
    unknown = [str(each) for each in deployment.steps if each.kind == "no such command"]
    unknown += [f"{each} (there is no such script)" for each in deployment.gone]
    seen.append(none_of("commands that do not exist", unknown, seen=deployment.commands, of="commands"))
    return seen, lacking


def _doubts(deployment: Deployment) -> str:
    """What could not be read, as the end of a sentence."""
    return f"; not read: {'; '.join(deployment.doubts[:3])}" if deployment.doubts else ""
