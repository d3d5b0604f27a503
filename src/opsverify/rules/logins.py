"""Rules of the chapter *security*: who tries to log in over ssh, and whether anyone would know."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from opsverify.errors import InsufficientFactsError
from opsverify.judgement import Limits, Observation, aged, holds, none_of, unmet, within
from opsverify.probes.logins import Failure, Login, LoginLog

DAY, HOUR = timedelta(hours=24), timedelta(hours=1)
NO_LOG = holds("login log", "neither auth.log nor a journal", "one of them", met=False)


def nobody_guesses(log: LoginLog | None, limits: Limits, now: datetime) -> list[Observation]:
    """No source failed to log in too often within a day, and nobody got in after a burst of failures.

    Raises:
        InsufficientFactsError: nothing is found, but the log is not there, is not kept up, or does not have this very
            session: then an attack would not be in it either.
    """
    if log is None:
        raise InsufficientFactsError("there is neither auth.log nor a journal, so nothing is known of failed logins")
    since = _host_now(log, now) - DAY
    by_source = _by_source(log.failures)
    counts = {source: sum(each.count for each in failed if each.at >= since) for source, failed in by_source.items()}
    worst = sorted(((each, seen) for each, seen in counts.items() if seen), key=lambda each: (-each[1], each[0]))
    count = limits.failures_per_source
    offenders = [each for each in worst if not count.met(each[1])] or worst[:1]
    span = f"since {log.begins:%Y-%m-%d %H:%M} UTC" if log.begins and log.begins > since else "in 24 h"
    observations = [within(f"failed logins of {source} {span}", seen, count) for source, seen in offenders]
    if not worst:
        observations.append(within(f"failed logins of any source {span}", 0, count))
    logins = [each for each in log.logins if each.at >= since]
    bursts = [
        f"{login.user} from {login.source} at {login.at:%Y-%m-%d %H:%M} UTC after {failed} failures"
        for login in logins
        if not limits.burst_failures.met(failed := _just_before(by_source.get(login.source, []), login))
    ]
    name = "logins that succeeded after a burst of failures within an hour"
    observations.append(none_of(name, bursts, seen=len(logins), of="logins"))
    if not unmet(observations):
        _sighted(log, now)
    return observations


def _sighted(log: LoginLog, now: datetime) -> None:
    """Whether a failed login would be in the log at all."""
    if log.own is False:
        raise InsufficientFactsError(
            f"{log.name}: it does not have the login of this very session, so it is no witness"
        )
    if log.newest is None or now - log.newest > DAY:
        raise InsufficientFactsError(f"{log.name}: {_newest(log)}, so nothing is known of failed logins")
    if log.own is None and not (log.logins or log.failures):
        raise InsufficientFactsError(f"{log.name}: it has no entry of sshd; nothing shows that it would have one")


def login_log_is_current(log: LoginLog | None, limits: Limits, now: datetime) -> list[Observation]:
    """There is a log of logins, its newest entry is young, and the login of this very session is in it."""
    if log is None:
        return [NO_LOG]
    observations = [holds("login log", log.name, "auth.log or the journal", met=True)]
    if log.newest is None:
        observations.append(holds(f"newest entry of {log.name}", "none", "there is one", met=False))
    else:
        observations.append(aged(f"newest entry of {log.name}", log.newest, now, limits.newest_entry_seconds))
    return [*observations, *_own_login(log)]


def access_is_logged(log: LoginLog | None, command: bool | None) -> list[Observation]:
    """The login of this very session and a command that it just ran by sudo are on record.

    ``command`` is None where there is no log to look for it in.
    """
    if log is None or command is None:
        return [NO_LOG]
    told = holds(f"a command just run by sudo, in {log.name}", command, "yes", met=command)
    if log.own is None:
        logins = len(log.logins)
        return [told, holds(f"logins over ssh in {log.name}", logins, "at least one", met=logins > 0)]
    return [told, *_own_login(log)]


def _own_login(log: LoginLog) -> list[Observation]:
    """The login of this very session; nothing where the host is not asked over ssh."""
    name = f"the login of this very session, in {log.name}"
    return [] if log.own is None else [holds(name, log.own, "yes", met=log.own)]


def _newest(log: LoginLog) -> str:
    return f"its newest entry is of {log.newest:%Y-%m-%d %H:%M} UTC" if log.newest else "it is empty"


def _host_now(log: LoginLog, now: datetime) -> datetime:
    """Now, by the host's own clock where that is behind: this session is on record, so the newest entry is of now."""
    return min(now, log.newest) if log.own and log.newest else now


def _by_source(failures: Iterable[Failure]) -> dict[str, list[Failure]]:
    """The failures of each source; those that lie in the future count too, for a clock may be wrong."""
    found: dict[str, list[Failure]] = {}
    for each in failures:
        found.setdefault(each.source, []).append(each)
    return found


def _just_before(failures: Iterable[Failure], login: Login) -> int:
    """How often the source of a login failed within the hour before it."""
    return sum(each.count for each in failures if login.at - HOUR <= each.at <= login.at)
