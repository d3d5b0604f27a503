"""Rules of the chapter *performance*: statements and statistics, the cache, the application."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from opsverify.baseline import Baseline
from opsverify.errors import InsufficientFactsError
from opsverify.judgement import CLOCK_TOLERANCE, Limits, Observation, aged, holds, none_of, unmet, within
from opsverify.probes import acl
from opsverify.probes.caches import CacheMemory, Commands, Eviction
from opsverify.probes.collection import Coverage, HeapFloor
from opsverify.probes.containers import Container, Usage
from opsverify.probes.postgres import Recorded, Statement
from opsverify.probes.statistics import Blocks, Index, Table
from opsverify.rules.health import restarts_since

MIB = 1024 * 1024


def cache_memory(memory: CacheMemory, limits: Limits) -> list[Observation]:
    """The cache is bounded, and either has room or, being full by design, evicts slowly; it wastes little.

    Full by design is only a cache that may evict every key: under any other policy a full cache refuses writes,
    or will as soon as the keys with an expiry are used up, and a low rate of evictions is no comfort.
    """
    observations = [holds("maxmemory", memory.most or "none", "a bound is set", memory.most > 0)]
    if memory.most > 0:
        used = memory.used / memory.most
        slow = memory.policy.startswith("allkeys-") and limits.evictions_per_second.met(memory.evicted_per_second)
        expected = f"{limits.memory_used}, or evicting {limits.evictions_per_second} keys/s by an allkeys- policy"
        observations += [
            Observation("memory used", used, expected, limits.memory_used.met(used) or slow, "ratio", "higher"),
            holds("eviction policy", memory.policy, "shown", met=True),
            within("evicted keys", memory.evicted_per_second, limits.evictions_per_second),
        ]
    if memory.used > limits.fragmentation_from_bytes.number:
        observations.append(within("fragmentation", memory.fragmentation, limits.fragmentation))
    refused = memory.refused_for_memory
    observations.append(holds("commands refused for lack of memory", refused, "none", refused == 0))
    return observations


def evicts_as_told(eviction: Eviction, persisted: str | None, limits: Limits) -> list[Observation]:
    """The policy is right now *and* will be after a restart: CONFIG SET alone is gone with the process.

    Raises:
        InsufficientFactsError: nothing speaks against it, but a provider keeps the configuration, which cannot be seen.
    """
    live = within("policy live", eviction.live, limits.policy)
    if persisted is None:
        if live.met:
            raise InsufficientFactsError(
                f"the policy live is {eviction.live}, as told, but this cache is managed: "
                "what it will be after a restart is in its provider's configuration, which cannot be seen from here"
            )
        return [live]
    return [
        live,
        within("policy in the configuration file", persisted, limits.policy),
        holds("started from", eviction.config_file or "no file", "a configuration file", bool(eviction.config_file)),
    ]


def never_emptied(commands: Commands, users: Mapping[str, str], user: str, limits: Limits) -> list[Observation]:
    """Nobody has emptied the cache since its statistics began, and the application may not do so, nor worse.

    Raises:
        InsufficientFactsError: there is no such user, so what the application may do cannot be told.
    """
    calls = {name: commands.calls.get(name, 0) for name in ("flushdb", "flushall")}
    emptied = [within(f"calls of {name.upper()}", count, limits.flush_calls) for name, count in calls.items()]
    if user not in users:
        if unmet(emptied):
            return emptied
        raise InsufficientFactsError(f"there is no user {user!r} (app_user of the profile) among {', '.join(users)}")
    more = sorted(acl.permitted(users[user]) - set(limits.dangerous_allowed.values))
    return [
        *emptied,
        none_of(f"dangerous commands that {user} may run", more, seen=len(acl.DANGEROUS), of="dangerous commands"),
        holds(
            "counted since", f"at most {commands.uptime / 86400:.1f} days ago (start of the server)", "shown", met=True
        ),
        holds("counters reset by hand", commands.calls.get("config|resetstat", 0), "shown", met=True),
    ]


def heap_grows_not(floors: Sequence[HeapFloor], limits: Limits) -> list[Observation]:
    """The floor of the heap, where garbage collection leaves nothing that can be freed, does not rise from day to day.

    Raises:
        InsufficientFactsError: a process lacks samples of one of the two days, so it has no trend yet.
    """
    if not floors:
        raise InsufficientFactsError("no process of the API tells its heap in use")
    observations = []
    for each in floors:
        if not limits.coverage.met(each.coverage):
            raise InsufficientFactsError(
                f"{each.instance} has {each.coverage:.0%} of the samples of two days, expected {limits.coverage}"
            )
        if not each.day_before > 0 or not math.isfinite(each.day_before + each.last_day):
            raise InsufficientFactsError(
                f"{each.instance} tells no heap in use: {each.day_before} bytes, then {each.last_day}"
            )
        growth = each.last_day / each.day_before - 1
        observations.append(within(f"{each.instance} growth of the heap's floor", growth, limits.heap_growth))
        floor = f"{each.day_before / MIB:.1f} MiB, then {each.last_day / MIB:.1f} MiB"
        observations.append(holds(f"{each.instance} floor of the heap", floor, "shown", met=True))
    return observations


def collected_without_gaps(coverage: Sequence[Coverage], limits: Limits) -> list[Observation]:
    """Each key metric has nearly all of the samples that its scrape interval promises, from every target."""
    if not coverage:
        raise InsufficientFactsError("no metric was asked for")
    return [
        within(f"{each.metric} from {each.instance}", min(each.samples / each.promised, 1.0), limits.coverage)
        for each in coverage
    ]


def application_memory(usages: Sequence[tuple[Container, Usage]], limits: Limits) -> list[Observation]:
    """The resident memory of the application keeps away from the limit of its container."""
    if not usages:
        raise InsufficientFactsError("the application does not run, so it uses no memory that could be judged")
    unlimited = [container.name for container, _ in usages if not container.memory_limit]
    if unlimited:
        raise InsufficientFactsError(f"no memory limit to measure against: {', '.join(unlimited)}")
    return [
        within(f"{container.name} resident memory", usage.resident / container.memory_limit, limits.memory_used)
        for container, usage in usages
    ]


def application_restarts(containers: Sequence[Container], limits: Limits, now: datetime) -> list[Observation]:
    """The application was not killed for memory, and is not restarted again and again.

    Raises:
        InsufficientFactsError: nothing speaks against it but a count of restarts that reaches back beyond the week.
    """
    if not containers:
        raise InsufficientFactsError("no container of the application exists")
    begun = now - timedelta(days=7)
    observations, unknown = [], []
    for each in containers:
        killed = each.oom_killed  # the engine forgets it at every start
        observations.append(holds(f"{each.name} killed for memory since its last start", killed, "no", not killed))
        restarts = restarts_since(each, begun)
        # One restart at least was in the week; with more of them allowed, older ones must not be counted in.
        if each.created < begun and not limits.restarts_7d.met(restarts) and limits.restarts_7d.number >= 1:
            unknown.append(f"{each.name} was restarted {restarts} times since {each.created:%Y-%m-%d %H:%M} UTC")
        else:
            observations.append(within(f"{each.name} restarts in 7 days", restarts, limits.restarts_7d))
    if unknown and not unmet(observations):
        raise InsufficientFactsError(
            f"{'; '.join(unknown)}, the last time in the last 7 days; the engine does not say how many fall in them"
        )
    return observations


def statements_recorded(recorded: Recorded) -> list[Observation]:
    """What is executed is recorded and readable, with the columns that this version of the server has."""
    extension = recorded.extension
    current = extension.version == extension.default_version
    expected = f"{extension.default_version}, which the server ships"
    return [
        holds("pg_stat_statements", extension.version, expected, current),
        holds("statements recorded", len(recorded.statements), "shown", met=True),
        holds("recorded since", _when(recorded.since), "shown", met=True),
    ]


def no_slower(
    recorded: Recorded, baseline: Baseline | None, database: str, limits: Limits, now: datetime
) -> list[Observation]:
    """The statements that cost most since the baseline take, on average, hardly longer than they did up to it.

    Judged are executions since the baseline alone: a mean over months would hide what became slow today. A
    statement that the baseline does not know is shown, not judged.

    Raises:
        InsufficientFactsError: there is no baseline that still holds, or none of these statements can be compared with
            it, for too few executions on either side.
    """
    if baseline is None or baseline.expires < now.date() or baseline.taken > now + CLOCK_TOLERANCE:
        held = f"taken at {baseline.taken:%Y-%m-%d %H:%M} and held until {baseline.expires}" if baseline else ""
        lacking = f"the baseline was {held}" if baseline else "there is no baseline"
        raise InsufficientFactsError(f"{lacking}: take one under a usual load (opsverify baseline)")
    taken = baseline.taken
    before = [
        Statement(each.queryid, each.calls, each.total_ms) for each in baseline.statement if each.database == database
    ]
    enough = limits.calls
    known = {each.queryid: each for each in before if enough.met(each.calls)}
    since = [_since(each, known.get(each.queryid), recorded.since, taken) for each in recorded.statements]
    costly = sorted((each for each in since if enough.met(each.calls)), key=lambda each: -each.total_ms)
    top = costly[: int(limits.top_queries.number)]
    compared = [each for each in top if each.queryid in known]
    if not compared:
        raise InsufficientFactsError(
            f"none of the {len(top)} costliest statements with {enough} calls since {taken:%Y-%m-%d %H:%M} UTC "
            "is in the baseline: take a new one under a usual load"
        )
    observations = []
    for each in compared:
        usual, lately = known[each.queryid].mean_ms, each.mean_ms
        slower = lately / usual if usual > 0 else math.inf
        met = limits.slowdown.met(slower) or limits.added_ms.met(lately - usual)
        expected = f"{limits.slowdown} times {usual:.3g} ms, or {limits.added_ms} ms more"
        observations.append(holds(_named(each), f"{lately:.3g} ms ({each.calls} calls)", expected, met))
    new = [_named(each) for each in top if each.queryid not in known]
    return [
        *observations,
        holds("among the costliest, new since the baseline", tuple(new) or "none", "shown", met=True),
    ]


def _since(now: Statement, before: Statement | None, reset: datetime | None, taken: datetime) -> Statement:
    """What was executed since the baseline. Counters that were reset, or evicted and begun anew, are all since then."""
    begun_anew = reset is not None and reset > taken
    if before is None or begun_anew or now.calls < before.calls or now.total_ms < before.total_ms:
        return now
    return replace(now, calls=now.calls - before.calls, total_ms=now.total_ms - before.total_ms)


def _named(statement: Statement) -> str:
    text = " ".join(statement.text.split())[:80] or "a utility statement"
    return f"{text} (query id {statement.queryid})"


def _when(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC" if moment else "not told by this version"


def statistics_fresh(tables: Sequence[Table], limits: Limits, now: datetime) -> list[Observation]:
    """The planner knows each table as it is: few rows changed since the last analysis, or that is not long ago.

    Raises:
        InsufficientFactsError: nothing is stale, but the counters of some tables were lost, so no one can know.
    """
    if not tables:
        raise InsufficientFactsError("no table is visible")
    stale = [
        f"{each.name} ({each.modified} of {each.live} rows changed, last analysis {_when_analyzed(each)})"
        for each in tables
        if not limits.modified_share.met(each.modified / each.live if each.live else float(each.modified))
        and not (each.analyzed and aged("", each.analyzed, now, limits.analyze_age_days).met)
    ]
    unknown = [each.name for each in tables if each.unknown]
    if unknown and not stale:
        raise InsufficientFactsError(
            f"nothing is known of {', '.join(unknown)}: its counters were lost, as in a crash; ANALYZE helps"
        )
    return [none_of("tables with stale statistics", stale, seen=len(tables), of="tables")]


def _when_analyzed(table: Table) -> str:
    return f"{table.analyzed:%Y-%m-%d}" if table.analyzed else "never"


def no_rebuilds(recorded: Recorded) -> list[Observation]:
    """Nobody has rebuilt an index since statements are recorded, so there is no window to ask for."""
    since = f"none since {_when(recorded.since)}" if recorded.since else "none on record"
    return [holds("rebuilds of indexes", recorded.rebuilds or since, "none", not recorded.rebuilds)]


def indexes_valid(indexes: Sequence[Index]) -> list[Observation]:
    """No index is left behind invalid: it costs every write and serves no read, or does not keep what it should."""
    if not indexes:
        raise InsufficientFactsError("no index is visible, not even one of the system")
    invalid = [each.name for each in indexes if not each.valid and not each.being_built]
    building = tuple(each.name for each in indexes if each.being_built)
    return [
        none_of("invalid indexes", invalid, seen=len(indexes), of="indexes"),
        holds("being built now", building or "none", "shown", met=True),
    ]


def use_reported(
    blocks: Blocks, tables: Sequence[Table], indexes: Sequence[Index], limits: Limits
) -> list[Observation]:
    """Most blocks are found in the cache; tables that are read from end to end and indexes that nobody uses are shown.

    Raises:
        InsufficientFactsError: too few blocks were asked for since the counters began.
    """
    asked = blocks.hit + blocks.read
    if not limits.blocks.met(asked):
        raise InsufficientFactsError(f"{asked} blocks asked for since {_when(blocks.since)}, expected {limits.blocks}")
    scanned = sorted((each for each in tables if each.sequential_scans), key=lambda each: -each.sequential_scans)
    unused = sorted(each.name for each in indexes if each.scans == 0 and not each.unique)
    return [
        within("blocks found in the cache", blocks.hit / asked, limits.cache_hit),
        holds("since", _when(blocks.since), "shown", met=True),
        holds("read from end to end most", _scans(scanned[:5]) or "none", "shown", met=True),
        holds("indexes that are not unique and never used", tuple(unused[:20]) or "none", "shown", met=True),
    ]


def _scans(tables: Sequence[Table]) -> tuple[str, ...]:
    return tuple(f"{each.name} ({each.sequential_scans} times)" for each in tables)
