"""A Prometheus beside the stack that remembers a past for each case of days: one instance, or one job, for each.

Nothing is scraped into it: what it knows was back-filled. So all cases lie side by side in one server, and a test asks
for its own by name.
"""

from __future__ import annotations

import contextlib
import math
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lab import engine, images
from lab.settings import Problem, run

DAY, STEP = 86_400, 120
MEMORY_BYTES = 16 * 10**9
BYTES_PER_SECOND = 125_000_000  # of an interface of 1000 Mbit/s
LONG_AGO = 1_000_000.0  # where a counter begins that was not begun just now

Share = float | None


@dataclass(frozen=True)
class Machine:
    """An instance: its CPU and memory use on the last complete UTC days, the newest last; None where nobody measured.

    ``restarts``: at noon of each day; ``slips``: its counter goes back a little then, but does not begin anew. ``into``
    and ``out`` are its network's use over the last day and a bit, as a share of 1000 Mbit/s (None: not told), with a
    ``burst`` of so many minutes at 95 % two hours ago.
    """

    cpu: Sequence[Share] = ()
    memory: Sequence[Share] = ()
    restarts: bool = False
    slips: bool = False
    into: Share = None
    out: Share = None
    burst: int = 0


@dataclass(frozen=True)
class Job:
    """An API: requests in the last hours, by the hour, and the share of them by upper edge in seconds."""

    requests: float
    within: dict[str, float] = field(default_factory=dict)
    nan: bool = False


def write(
    file: Path, now: int, machines: dict[str, Machine], jobs: dict[str, Job], sizes: dict[str, Sequence[Share]]
) -> None:
    """The pasts of all cases as promtool reads them."""
    with file.open("w", encoding="ascii") as text:
        for name, machine in machines.items():
            text.writelines(_machine(name, machine, now))
        for name, job in jobs.items():
            text.writelines(_job(name, job, now))
        for name, days in sizes.items():
            text.writelines(_database(name, days, now))
        text.write("# EOF\n")
    file.chmod(0o644)  # promtool runs as Prometheus' own user


def _machine(name: str, machine: Machine, now: int) -> Iterator[str]:
    yield from _cpu(name, machine, now)
    yield from _memory(name, machine, now)
    for way, share in (("receive", machine.into), ("transmit", machine.out)):
        if share is not None:
            yield from _network(name, way, share, machine.burst, now)
    if machine.into is not None:  # what a virtual interface says of its own speed
        yield from (
            f'node_network_speed_bytes{{device="eth0",instance="{name}",job="node"}} -125000 {at}\n'
            for at in range(now - 26 * 3600, now + 1, STEP)
        )


def _by_day(shares: Sequence[Share], now: int) -> Iterator[tuple[Share, range]]:
    """Each day's share, and the moments at which it was measured."""
    first = now // DAY * DAY - len(shares) * DAY
    for number, share in enumerate(shares):
        yield share, range(first + number * DAY, first + (number + 1) * DAY, STEP)


def _cpu(name: str, machine: Machine, now: int) -> Iterator[str]:
    idle = LONG_AGO
    for share, moments in _by_day(machine.cpu, now):
        for at in moments:
            idle += (1 - (share or 0.0)) * STEP
            if at % DAY == DAY // 2:
                idle = 0.0 if machine.restarts else idle - (STEP + 1) * machine.slips
            if share is not None:
                yield f'node_cpu_seconds_total{{cpu="0",instance="{name}",job="node",mode="idle"}} {idle:.3f} {at}\n'


def _memory(name: str, machine: Machine, now: int) -> Iterator[str]:
    for family in ("MemTotal", "MemAvailable"):
        for share, moments in _by_day(machine.memory, now):
            if share is not None:
                value = MEMORY_BYTES * (1 - share if family == "MemAvailable" else 1)
                line = f'node_memory_{family}_bytes{{instance="{name}",job="node"}} {value:.0f}'
                yield from (f"{line} {at}\n" for at in moments)


def _network(name: str, way: str, share: float, burst: int, now: int) -> Iterator[str]:
    carried = LONG_AGO
    for at in range(now - 26 * 3600, now + 1, STEP):
        bursting = now - 7200 - burst * 60 <= at < now - 7200
        carried += STEP * BYTES_PER_SECOND * (0.95 if bursting else share)
        labels = f'device="eth0",instance="{name}",job="node"'
        yield f"node_network_{way}_bytes_total{{{labels}}} {carried:.0f} {at}\n"


def _job(name: str, job: Job, now: int) -> Iterator[str]:
    for edge, share in {**job.within, "+Inf": 1.0}.items():
        counted = LONG_AGO
        for at in range(now - 3 * 3600, now + 1, STEP):
            counted += job.requests * share * STEP / 3600
            value = "NaN" if job.nan else f"{counted:.6f}"
            labels = f'instance="a",job="{name}",le="{edge}"'
            yield f"http_request_duration_seconds_bucket{{{labels}}} {value} {at}\n"


def _database(name: str, days: Sequence[Share], now: int) -> Iterator[str]:
    """The size of a database at the ends of the last days, the newest last, and in between as a straight line.

    None is a day that nobody measured. On the day that is still running the size stays as it was at the last midnight.
    """
    midnight = now // DAY * DAY
    labels = f'datname="{name}",instance="a",job="postgres"'
    before = next((each for each in days if each is not None), 0.0)
    for back, size in zip(range(len(days), 0, -1), days, strict=True):
        start = midnight - back * DAY
        for at in range(start, start + DAY, STEP) if size is not None else ():
            value = before + (size - before) * ((at - start) / DAY)  # type: ignore[operator]
            yield f"pg_database_size_bytes{{{labels}}} {value:.0f} {at}\n"
        before = before if size is None else size
    for at in range(midnight, now + 1, STEP) if days[-1] is not None else ():
        yield f"pg_database_size_bytes{{{labels}}} {before:.0f} {at}\n"


SCRIPT = """set -e
touch /tmp/empty.yml
promtool tsdb create-blocks-from openmetrics --quiet --max-block-duration=39366h /tmp/past.om /tmp/data
exec prometheus --config.file=/tmp/empty.yml --storage.tsdb.path=/tmp/data --storage.tsdb.retention.time=60d
"""


@contextlib.contextmanager
def remembered(
    machines: dict[str, Machine],
    jobs: dict[str, Job],
    sizes: dict[str, Sequence[Share]] | None = None,
    now: int | None = None,
) -> Iterator[int]:
    """A Prometheus that remembers these pasts up to ``now``, by its port on loopback.

    Raises:
        Problem: it does not come up.
    """
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        past = Path(folder) / "past.om"
        write(past, now or int(time.time()), machines, jobs, sizes or {})
        options = ["--label", engine.BESIDE_LABEL, "-p", "127.0.0.1::9090", "-v", f"{past}:/tmp/past.om:ro"]
        command = ["docker", "run", "-d", "--rm", *options, "--entrypoint", "sh", images.tag("prometheus")]
        container = run([*command, "-c", SCRIPT]).stdout.strip()
        try:
            port = int(run(["docker", "port", container, "9090/tcp"]).stdout.split()[0].rpartition(":")[2])
            _wait(port)
            yield port
        finally:
            run(["docker", "rm", "-f", container], check=False)


def _wait(port: int, seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=2) as answer:
                if answer.status == 200:
                    return
        except (OSError, urllib.error.URLError):
            pass
        if time.monotonic() > until:
            raise Problem(f"the Prometheus of the pasts is not ready after {seconds:g} s")
        time.sleep(0.2)


def mixed(hot: float, *others: Share, days: int) -> list[Share]:
    """So many days at ``hot``, the last of which are the ``others``."""
    return [*[hot] * (days - len(others)), *others]


def growing(start: float, a_day: float, days: int) -> list[Share]:
    """Use that grows by ``a_day`` every day."""
    return [start + a_day * each for each in range(days)]


def wavy(mean: float, days: int) -> list[Share]:
    """Use that goes up and down over the week and leads nowhere."""
    return [mean + 0.05 * math.sin(each / 7 * 2 * math.pi) for each in range(days)]
