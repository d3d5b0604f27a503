"""Rules of the chapter *security*: dependencies are audited, and nothing critical is left that nobody accepted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from opsverify.accepted import Acceptance
from opsverify.judgement import Limits, Observation, aged, holds, none_of
from opsverify.probes import Attempt
from opsverify.probes.audits import Audit
from opsverify.probes.documents import Attested
from opsverify.rules.statements import Missing, attestation, complete


def dependencies_audited(
    found: Attested | None,
    audit: Attempt[Audit] | None,
    accepted: Sequence[Acceptance],
    limits: Limits,
    missing: Missing,
    now: datetime,
) -> list[Observation]:
    """An audit is attested, lately, and its own result has no critical finding but those accepted for a while.

    ``audit`` is None where there is no artefact, or not the one that was attested: what it says is nobody's word then.

    Raises:
        InsufficientFactsError: nothing is attested, or the artefact is no result of an audit, or of one that could
            not see all, and nothing else speaks against it.
    """
    seen, lacking = attestation(found, missing, now, limits.audit_age_days)
    if audit is None:
        return complete(seen, lacking)
    if audit.value is None:
        return complete(seen, [*lacking, audit.failure])
    unseen = [audit.value.unseen] if audit.value.unseen else []
    return complete([*seen, *_result(audit.value, accepted, limits, now)], [*lacking, *unseen])


def _result(audit: Audit, accepted: Sequence[Acceptance], limits: Limits, now: datetime) -> list[Observation]:
    today, limit = now.date(), limits.accepted_days
    until = {each.advisory.casefold(): each.expires for each in sorted(accepted, key=lambda each: each.expires)}
    left, lived_with = [], []
    for each in audit.advisories:
        if each.severity == "critical":
            end = until.get(each.id.casefold())
            if end is not None and end >= today and limit.met((end - today).days):
                lived_with.append(f"{each} (until {end})")
            else:
                left.append(f"{each} (accepted until {end})" if end else str(each))
    counts = Counter(each.severity for each in audit.advisories)
    shown = ", ".join(f"{count} {severity}" for severity, count in sorted(counts.items())) or "none"
    return [
        *([aged("audit made", audit.made, now, limits.audit_age_days)] if audit.made else []),
        none_of(
            f"critical advisories not accepted for {limit} {limit.unit}",
            left,
            seen=audit.seen,
            of=f"{audit.of} ({audit.tool})",
        ),
        holds("critical advisories accepted for a while", tuple(lived_with) or "none", "shown", met=True),
        holds("advisories", shown, "shown", met=True),
    ]
