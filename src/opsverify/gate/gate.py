"""`opsverify gate`: hold one gate before or after a change, from the record of the change to the word that is kept.

Everything that is input is validated before anything is asked of any system. What was measured before the change and
after it is held against each other by pure modules beside this one; here is only the order in which things happen.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from opsverify import documents
from opsverify.changes import Change
from opsverify.documents import Project
from opsverify.errors import OpsverifyError, UsageError
from opsverify.gate import baselines, comparing, drift, keeping, numbers, preconditions, rollback, verdict
from opsverify.gate.baselines import Terms
from opsverify.gate.instruments import Instruments, Measurement, Say
from opsverify.gate.keeping import Kept
from opsverify.gate.page import page
from opsverify.gate.story import Baseline, Compared, Measured, Phase, Reason, Rollback, Settling, Snapshot, Story
from opsverify.gate.verifying import Suite
from opsverify.run import Run, new_id


class Wanted(NamedTuple):
    """Which gate to hold: of which change, before or after it, in which profile, and whether to go back on NO-GO."""

    phase: Phase
    change: str
    profile: str
    execute_rollback: bool = False


class Voice(NamedTuple):
    """How the gate speaks while it goes on: a line of its own, a line of the hook's."""

    say: Say
    echo: Say


def hold(project: Project, wanted: Wanted, voice: Voice) -> Kept:
    """Hold a gate and keep what it has to say.

    Raises:
        UsageError: something that is input is not as it must be, or another gate is on this change.
        VerificationError: the suite itself came to no end; nothing is kept.
        NotKeptError: it cannot be written, or holds a secret; nothing is kept.
        KeyboardInterrupt: it was told to end; nothing is kept, but that a rollback was begun.
    """
    now = dt.datetime.now(dt.UTC)
    change, digest = _record(project, wanted.change, now.date())
    hook = rollback.command(change, project.root) if wanted.execute_rollback else []
    name = project.loaded.profile.name
    gates = keeping.folder(project.root, name, change.id)
    identity, named = new_id(now)
    directory = keeping.draft(gates, named, wanted.phase)
    run = Run(project.root, project.loaded, project.catalogue, directory, identity, now, wanted.phase, change.id)
    run.check_sight()
    with keeping.held(gates, wanted.phase, now):
        earlier = _earlier(gates, project) if wanted.phase == "post" else []
        directory.mkdir()
        try:
            scope = comparing.scope_of(change)
            suite = Suite(project.root, wanted.profile, name, wanted.phase, change.id, scope, voice.say)
            session = Session(run, change, digest, Instruments(run, suite, voice.say), voice)
            return session.before() if wanted.phase == "pre" else session.after(earlier, hook)
        finally:
            shutil.rmtree(directory, ignore_errors=True)  # it has another name once it is kept


def _record(project: Project, wanted: str, today: dt.date) -> tuple[Change, str]:
    """The change's record with the digest of its file; all that is input was validated then.

    Raises:
        UsageError: one line with file and key.
    """
    found = documents.validated(project, today).changes
    change = next((each for each in found if each.id == wanted), None)
    where = project.documents.shown("changes")
    if change is None:
        known = ", ".join(each.id for each in found) or "none"
        raise UsageError(f"{wanted}: has no record in {where}/ (there are: {known})")
    file = project.documents.changes / f"{wanted}.toml"
    try:
        return change, hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as error:
        raise UsageError(f"{where}/{file.name}: cannot be read: {error.strerror}") from None


def _earlier(gates: Path, project: Project) -> list[Kept]:
    """The gates before the change that were kept; one that was tampered with is no reason to take an older one.

    Raises:
        UsageError: one of them cannot be read any more.
    """
    found = keeping.stories(gates, project.root, "pre")
    if found.damaged:
        raise UsageError(found.damaged[-1])
    # One that was refused by its record alone did not look at anything.
    return [each for each in found.kept if each.story.verification is not None]


@dataclass
class Session:
    """One gate while it is held."""

    run: Run
    change: Change
    digest: str
    instruments: Instruments
    voice: Voice

    # ---- before the change

    def before(self) -> Kept:
        """Whether the change may be begun, and what its baseline is."""
        now = self.run.started
        reasons = preconditions.before(self.change, self._artefacts(), self.run.catalogue, now)
        if reasons:
            self.voice.say(f"{self.change.id}: its record is not in order, so no system is asked anything")
            return self._keep(reasons)
        reasons += preconditions.ahead(self.change, self.instruments.settings.baseline_hours, now)
        found = self.instruments.measure()
        checks = comparing.before(found.checks)
        reasons += [*found.sound(), *comparing.reasons(checks), *_unseen(found)]
        return self._keep(reasons, checks, found)

    def _artefacts(self) -> dict[str, str | None]:
        """The digest of the file that bears the test of this change out."""
        if self.change.test is None:
            return {}
        named = self.change.test.artefact
        with self.instruments.asking() as run:
            try:
                return {named: run.channel("program", "program").digest(named)}
            except OpsverifyError as error:
                raise UsageError(f"{self.change.id}: test.artefact: {error}") from None

    # ---- after the change

    def after(self, earlier: Sequence[Kept], hook: Sequence[str]) -> Kept:
        """What the change did, and on NO-GO what came of going back."""
        settled = self.instruments.settle()
        found = self.instruments.measure()
        reasons = [*_unsettled(settled), *found.sound()]
        kept, against = self._baseline(earlier, found)
        reasons += against
        if kept is None or any(each.effect == "INCONCLUSIVE" for each in against):
            checks = [_alone(each) for each in comparing.before(found.checks)]
            reasons += [Reason(effect=each.effect, about=each.subject, why=each.why) for each in checks if each.why]
            return self._keep(reasons, checks, found, settling=settled)
        pre = kept.story
        checks = self._compare(pre, found)
        drifted = drift.compared(pre.configuration, found.configuration, self.change.expected)
        measured = self._measured(pre, found)
        reasons += comparing.reasons(checks)
        reasons += baselines.did_not_happen(self.change, baselines.terms_of(pre), self._terms(found), checks)
        reasons += [*drifted.reasons, *_slower(measured, found)]
        more = {
            "settling": settled,
            "baseline": _shown(kept, self.run),
            "drift": drifted.drift,
            "undone": drifted.undone,
            "numbers": measured,
        }
        decided = verdict.decide(self.change.id, "post", reasons)
        if decided.verdict == "NO-GO" and self.change.on_no_go:
            if not hook:
                self.voice.say(f"NO-GO: {self._hook_words()} is not run without --execute-rollback")
            else:
                return self._back(list(hook), pre, reasons, checks, found, more)
        return self._keep(reasons, checks, found, **more)

    def _hook_words(self) -> str:
        return " ".join(self.change.on_no_go or [])

    def _compare(self, pre: Story, found: Measurement) -> list[Compared]:
        elapsed = dt.datetime.now(dt.UTC) - pre.start
        return comparing.compare(comparing.checks_before(pre.checks), found.checks, self.change, elapsed)

    def _measured(self, pre: Story, found: Measurement) -> list[Measured]:
        return numbers.compare_all(pre.samples, found.latencies.samples, self.instruments.settings, self.change.scope)

    def _baseline(self, earlier: Sequence[Kept], found: Measurement) -> tuple[Kept | None, list[Reason]]:
        """The gate before the change, and what there is to say against it."""
        name = self.run.profile.name
        newest = baselines.newest([each.story for each in earlier], self.change.id, name)
        kept = next((each for each in earlier if each.story is newest), None)
        if newest is None or kept is None:
            return None, [baselines.none_found(self.change.id, name)]
        return kept, baselines.incomparable(newest, self._terms(found), self.change, self.instruments.settings)

    # ---- going back

    def _back(
        self,
        hook: list[str],
        pre: Story,
        reasons: list[Reason],
        checks: list[Compared],
        found: Measurement,
        more: dict[str, Any],
    ) -> Kept:
        """Run the hook and verify again, against the same baseline. That it was begun is kept, whatever comes of it."""
        self.voice.say(f"NO-GO: running {self._hook_words()}")
        begun = time.monotonic()
        done = Rollback(
            command=hook, exit_status=None, seconds=0, output="", verdict=None, reasons=[], verification=None
        )
        try:
            bound, redact = self.instruments.settings.rollback_seconds, self.run.redactor.text
            done = rollback.execute(hook, self.run.root, bound, redact, self.voice.echo)
            done = self._verified_again(done, pre)
        except BaseException as error:
            why = f"what came of it was not seen to its end: {str(error) or type(error).__name__}"
            seconds = done.seconds or round(time.monotonic() - begun, 3)
            untold = [Reason(effect="INCONCLUSIVE", about="rollback", why=why)]
            done = done.model_copy(update={"reasons": untold, "seconds": seconds})
            kept = self._keep(reasons, checks, found, **more, rollback=done)
            if not isinstance(error, OpsverifyError):
                raise
            self.voice.say(why)
            return kept  # NO-GO it is, whatever keeps the suite from saying more
        return self._keep(reasons, checks, found, **more, rollback=done)

    def _verified_again(self, done: Rollback, pre: Story) -> Rollback:
        """Whether what was there before the change is there again."""
        how = "ended, it took too long" if done.exit_status is None else f"ended with status {done.exit_status}"
        self.voice.say(f"the rollback {how} after {done.seconds:.1f} s")
        settled = self.instruments.settle()
        found = self.instruments.measure()
        measured = self._measured(pre, found)
        reasons = [*_unsettled(settled), *found.sound(), *comparing.reasons(self._compare(pre, found))]
        reasons += _slower(measured, found)
        if done.exit_status != 0:
            reasons.append(Reason(effect="INCONCLUSIVE", about="rollback", why=f"{' '.join(done.command)} {how}"))
        decided = verdict.decide(self.change.id, "post", reasons)
        self.voice.say(f"after the rollback: {decided.verdict}")
        update = {"verdict": decided.verdict, "reasons": decided.reasons, "verification": found.first.run}
        return done.model_copy(update=update)

    # ---- the word

    def _terms(self, found: Measurement | None) -> Terms:
        """Under which terms this gate verifies."""
        return Terms(**self._about(found))

    def _about(self, found: Measurement | None) -> dict[str, Any]:
        demands, about = self.run.catalogue, self.run.about()
        targets = found.first.document["population"]["targets"] if found else {}
        return {
            "change": self.change.id,
            "scope": self.instruments.suite.scope.markers,
            "profile": self.run.profile.name,
            "profile_sha256": self.run.loaded.digest,
            "parts": baselines.parts(self.run.profile),
            "targets": targets,
            "limits": {
                f"{name}.{limit.name}": f"{limit} {limit.unit}".rstrip()
                for name in demands
                for limit in (getattr(demands.limits(name), own.name) for own in demands[name].own_limits())
            },
            "suite_version": about["suite_version"],
            "suite_commit": about["suite_commit"],
            "start": self.run.started,
        }

    def _keep(
        self,
        reasons: Sequence[Reason],
        checks: Sequence[Compared] = (),
        found: Measurement | None = None,
        **more: Any,
    ) -> Kept:
        """Decide, and keep it."""
        decided = verdict.decide(self.change.id, self.instruments.suite.phase, reasons)
        about = self.run.about()
        story = Story(
            **self._about(found),
            **{name: about[name] for name in ("user", "runner", "ci")},
            id=self.run.id,
            phase=self.instruments.suite.phase,
            summary=self.change.summary,
            class_=self.change.class_,
            change_sha256=self.digest,
            end=dt.datetime.now(dt.UTC),
            verdict=decided.verdict,
            exit_status=decided.exit_status,
            sentence=decided.sentence,
            sentence_zh=decided.sentence_zh,
            reasons=decided.reasons,
            checks=list(checks),
            verification=found.first.run if found else None,
            reprobes=[each.run for each in found.again] if found else [],
            configuration=found.configuration if found else Snapshot(),
            samples=found.latencies.samples if found else {},
            **more,
        )
        clean = keeping.redacted(story, self.run.redactor)
        directory = keeping.keep(self.run.directory, clean, page(clean), self.run.redactor)
        return Kept(directory, clean)


def _alone(compared: Compared) -> Compared:
    """A check after the change that there is nothing to hold against: whatever is wrong with it, since when?"""
    wrong = compared.effect != "info"
    why = f"{compared.why.removeprefix('must pass before a change is made, but ')}; since when cannot be told"
    update = {
        "pre": None,
        "post": compared.pre,
        "effect": "INCONCLUSIVE" if wrong else "info",
        "why": why if wrong else "",
    }
    return compared.model_copy(update=update)


def _shown(kept: Kept, run: Run) -> Baseline:
    """The baseline as a story names it."""
    root, directory = run.root, kept.directory
    return Baseline(
        id=kept.story.id,
        directory=str(directory.relative_to(root) if directory.is_relative_to(root) else directory),
        start=kept.story.start,
        age_seconds=round((run.started - kept.story.start).total_seconds(), 3),
    )


def _unsettled(settled: Settling) -> list[Reason]:
    if settled.settled:
        return []
    waiting = "; ".join(f"{on}: {why}" for on, why in settled.polls[-1].waiting.items()) or "not ready for long enough"
    why = f"did not become ready for good within {settled.seconds:.0f} s: {waiting}"
    return [Reason(effect="INCONCLUSIVE", about="readiness", why=why)]


def _unseen(found: Measurement) -> list[Reason]:
    """What could not be looked at before the change, so that nobody will be able to say whether it changed."""
    later = "the gate after the change cannot compare it"
    areas = [(f"configuration of {area}", why) for area, why in found.configuration.unread.items()]
    samples = [(f"latency of {name}", why) for name, why in found.latencies.unmeasured.items()]
    return [Reason(effect="WARN", about=about, why=f"{why}; {later}") for about, why in (*areas, *samples)]


def _slower(measured: Sequence[Measured], found: Measurement) -> list[Reason]:
    """What of the latencies counts, and why what was not measured now was not; neither before nor now is a WARN."""
    before = {each.name for each in measured if each.pre}
    failed = [
        Reason(effect="INCONCLUSIVE" if name in before else "WARN", about=f"latency of {name}", why=why)
        for name, why in found.latencies.unmeasured.items()
    ]
    return [*(each for each in numbers.reasons(measured) if each.about not in found.latencies.unmeasured), *failed]
