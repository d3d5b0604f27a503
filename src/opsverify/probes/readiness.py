"""Whether what a change may have touched answers again: one look at every API, database, cache and container."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from opsverify.channels.base import Channel
from opsverify.channels.cache import CacheChannel
from opsverify.channels.shell import Host
from opsverify.channels.sql import SqlChannel
from opsverify.channels.web import WebChannel
from opsverify.errors import OpsverifyError
from opsverify.gate.story import Poll
from opsverify.probes import caches, containers, postgres, web
from opsverify.probes.containers import Listed
from opsverify.run import Run

SIDE_BY_SIDE = 8
PATIENCE = 3.0  # seconds for one answer: what takes longer is not ready
ASKED = ("hosts", "databases", "caches", "apis")
OK = 200
# The states of a container that has ended or not begun.
ENDED = ("created", "exited")

Waiting = dict[str, str]  # target to what is lacking


def hurried(run: Run, seconds: float = PATIENCE) -> Run:
    """The same run with channels of its own, each of whose questions is bounded by ``seconds``.

    They write into the run's transcript. What a poll finds unreachable is so for no one else.
    """
    profile = run.profile.model_copy(
        update={
            kind: [
                each.model_copy(update={"timeout_s": min(each.timeout_s, seconds)})
                for each in getattr(run.profile, kind)
            ]
            for kind in ASKED
        }
    )
    quick = replace(run, loaded=run.loaded._replace(profile=profile), channels={}, facts={})
    quick.transcript = run.transcript
    return quick


def poll(run: Run) -> Poll:
    """Ask everything once, side by side; a target that was found unreachable before is asked anew. Never raises."""
    at, waiting, asked = datetime.now(UTC), Waiting(), []
    for kind, name, look in _looks(run):
        try:  # before anything runs side by side: a run makes one channel for each target
            asked.append(partial(_look, f"{kind} {name}", look, run.channel(kind, name)))
        except OpsverifyError as error:
            waiting[f"{kind} {name}"] = str(error)
    for opened in run.channels.values():
        channel = opened.channel if isinstance(opened, Host) else opened
        if isinstance(channel, Channel):
            channel.anew()
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        for each in pool.map(lambda ask: ask(), asked):
            waiting |= each
    return Poll(at=at, waiting={name: run.redactor.text(why) for name, why in sorted(waiting.items())})


def _looks(run: Run) -> Iterator[tuple[str, str, Callable[[Any], Waiting]]]:
    yield from (("api", each.name, health) for each in run.profile.apis)
    yield from (("database", each.name, session) for each in run.profile.databases)
    yield from (("cache", each.name, ping) for each in run.profile.caches)
    for host in run.profile.hosts:
        if host.docker_api:
            services = [each.name for each in run.profile.services if each.host == host.name]
            yield "host", host.name, partial(engine, services=services)


def _look(name: str, look: Callable[[Any], Waiting], channel: Any) -> Waiting:
    try:
        return look(channel)
    except Exception as error:  # whatever it is, it is not ready
        return {name: str(error) or type(error).__name__}


def health(api: WebChannel) -> Waiting:
    """An API is ready when its health page says so, with its status and in its body."""
    found = web.health(api).required()
    if found.status == OK and found.claims in web.HEALTHY:
        return {}
    return {f"api {api.target}": f"answers with status {found.status} and claims to be: {found.claims}"}


def session(database: SqlChannel) -> Waiting:
    """A database is ready when it gives a session of its own and answers in it."""
    postgres.login(database).required()
    return {}


def ping(cache: CacheChannel) -> Waiting:
    """A cache is ready when it answers PING; one that is still loading its data says so instead."""
    answer = caches.ping(cache).required()
    return {} if answer == "PONG" else {f"cache {cache.target}": f"answers PING with {answer[:100]!r}"}


def engine(host: Host, services: Sequence[str]) -> Waiting:
    """Every service of the inventory has containers, they run, and no container that runs is unhealthy.

    Asked by the engine's list alone: polls are many, and those who wait for them few.
    """
    return unready(host.name, host.spec.compose_project, services, containers.listed(host))


def unready(host: str, project: str | None, services: Sequence[str], found: Sequence[Listed]) -> Waiting:
    """What of a host's containers is waited for, and why."""
    meant = [each for each in found if not each.oneoff]
    waiting = {f"container {each.name} on {host}": why for each in meant if (why := _why(each, services))}
    there = {each.service for each in meant if project in (None, each.project)}
    return waiting | {f"service {each} on {host}": "has no container" for each in services if each not in there}


def _why(container: Listed, services: Sequence[str]) -> str:
    """Why a container is not ready; empty when it is, or when it may have been meant to run once and has done so."""
    if container.status in ENDED and container.service not in services:
        return ""
    if container.status != "running":
        return f"is {container.status}"
    return "" if container.health in (None, "healthy") else f"is running, its health is {container.health}"
