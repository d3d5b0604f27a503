"""Whether a number is worse after a change than before it, and not by chance. Pure.

Three things have to be so at once: the median is worse by more than a share, by more than a floor, and as high a rank
of the later samples as was seen is too seldom among all ways to deal the samples out to the two sides (Mann and
Whitney, one-sided). Their number is counted, not approximated, with ties given the mean of their ranks.

Counting takes time that grows with about the fifth power of the samples. More than ``MOST`` a side are therefore put
together beforehand, consecutive ones by their median, so that 1000 a side become 40 medians of 25. Of samples that come
from one distribution these come from one too: the p of the medians is as exact as the other. The medians that are held
against the share and the floor are those of all samples.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from statistics import median

from opsverify.changes import ScopeChange
from opsverify.gate.settings import Gate
from opsverify.gate.story import Effect, Measured, Reason
from opsverify.judgement import EXACT

FEWEST = 5  # samples a side
MOST = 40  # values a side that are dealt out in every way


def mann_whitney(pre: Sequence[float], post: Sequence[float]) -> float:
    """The exact one-sided p of Mann and Whitney, low where the values after are higher than those before.

    It is the share of all choices of ``len(post)`` values, out of all of them, whose ranks add up to at least as much
    as those of the values after do.

    Raises:
        ValueError: a side is empty, or a value is no finite number.
    """
    if not pre or not post or not all(map(math.isfinite, (*pre, *post))):
        raise ValueError("expected finite numbers on both sides")
    ranks = _ranks([*pre, *post])
    # The smaller side is chosen: the higher those after rank, the lower those before do.
    ours = [ranks[each] for each in post] if len(post) <= len(pre) else [-ranks[each] for each in pre]
    sign = 1 if len(post) <= len(pre) else -1
    every = [sign * ranks[each] for each in (*pre, *post)]
    top = max(every)
    step = math.gcd(*(top - each for each in every)) or 1
    scores = sorted((top - each) // step for each in every)
    most = sum(top - each for each in ours) // step
    return _choices(scores, len(ours), most) / math.comb(len(scores), len(ours))


def _ranks(values: Sequence[float]) -> dict[float, int]:
    """Twice the rank of each value, equal ones having the mean of theirs: whole numbers."""
    ordered = sorted(values)
    ranks: dict[float, int] = {}
    start = 0
    for place in range(1, len(ordered) + 1):
        if place == len(ordered) or ordered[place] != ordered[start]:
            ranks[ordered[start]] = start + place + 1
            start = place
    return ranks


def _choices(scores: Sequence[int], size: int, most: int) -> int:
    """In how many ways ``size`` of the ``scores`` can be chosen so that they add up to ``most`` or less.

    The scores are whole numbers, none below 0, and ``size`` is at most half of them. ``ways[k]`` holds the counts for
    ``k`` chosen by their sum, all in one large number: as digits that are so wide that none ever overflows into the
    next. Choosing one more is then one shift and one addition.
    """
    width = math.comb(len(scores), size).bit_length() + 1
    kept = (1 << (width * (most + 1))) - 1
    ways = [1] + [0] * size
    for seen, score in enumerate(scores):
        for k in range(min(size, seen + 1), 0, -1):
            ways[k] += (ways[k - 1] << (width * score)) & kept
    return ways[size] % ((1 << width) - 1)  # the sum of the digits


def together(pre: Sequence[float], post: Sequence[float]) -> tuple[list[float], list[float], int]:
    """At most about ``MOST`` values a side: medians of so many consecutive samples, as many on both sides.

    The first samples are left out where their number is no multiple of it. No side is brought below ``FEWEST``.
    """
    largest, smallest = max(len(pre), len(post)), min(len(pre), len(post))
    size = max(1, min(-(-largest // MOST), smallest // FEWEST))
    return _medians(pre, size), _medians(post, size), size


def _medians(values: Sequence[float], size: int) -> list[float]:
    return [median(values[start : start + size]) for start in range(len(values) % size, len(values), size)]


def compare(name: str, pre: Sequence[float], post: Sequence[float], settings: Gate) -> Measured:
    """Hold the samples of one number, of which more is worse, against each other: in seconds."""
    usable = all(map(math.isfinite, (*pre, *post)))
    effect: Effect = "INCONCLUSIVE"
    worse_by = p = None
    was, now = (median(each) if each and usable else None for each in (pre, post))
    if was is None or now is None or min(len(pre), len(post)) < FEWEST:
        why = f"{len(pre)} samples before and {len(post)} after, at least {FEWEST} each are needed"
        why = why if usable else "not every sample is a finite number"
    else:
        worse_by = (now - was) / was if was > 0 else None
        one, other, size = together(pre, post)
        p = mann_whitney(one, other)
        least = 1 / math.comb(len(one) + len(other), len(one))
        effect, why = _judged(was, now, p, least, settings)
        why += f" (p of medians of {size} samples each)" if size > 1 else ""
    return Measured(
        name=name,
        pre=list(pre) if usable else [each for each in pre if math.isfinite(each)],
        post=list(post) if usable else [each for each in post if math.isfinite(each)],
        median_pre=was,
        median_post=now,
        worse_by=worse_by,
        p=p,
        effect=effect,
        why=why,
    )


def _judged(was: float, now: float, p: float, least: float, settings: Gate) -> tuple[Effect, str]:
    """Whether it is worse, and what speaks for that or against it; ``least`` is the lowest p that there can be."""
    grown = now - was
    share = f"{grown / was:+.1%}" if was > 0 else "from nothing"
    seen = f"median {_time(was)} before and {_time(now)} after ({share}), p = {p:.2g}"
    spared = []
    if grown <= was * settings.median_share * (1 + EXACT):
        spared.append(f"no more than {settings.median_share:.0%} worse")
    if grown <= settings.floor_seconds * (1 + EXACT):
        spared.append(f"no more than {_time(settings.floor_seconds)} worse")
    if p > settings.p_value and not spared and least > settings.p_value:
        return "INCONCLUSIVE", f"{seen}: so few samples can never show p of at most {settings.p_value:g}"
    if p > settings.p_value:
        spared.append(f"p above {settings.p_value:g}")
    return ("info", f"{seen}: {', '.join(spared)}") if spared else ("NO-GO", seen)


def _time(seconds: float) -> str:
    return f"{seconds * 1000:.4g} ms" if seconds < 1 else f"{seconds:.4g} s"


def compare_all(
    pre: Mapping[str, Sequence[float]],
    post: Mapping[str, Sequence[float]],
    settings: Gate,
    scope: Iterable[ScopeChange] = (),
) -> list[Measured]:
    """Every number that either side has, in the order of the earlier side; each is named ``<kind> <target>``.

    The number of a target that comes or goes, as the change declares in its ``scope``, is there on one side alone, and
    nothing is to be said about it.
    """
    declared = {(each.subject, each.becomes) for each in scope}

    def expected(name: str) -> bool:
        target = name.partition(" ")[2]
        return (name not in pre and (target, "added") in declared) or (
            name not in post and (target, "removed") in declared
        )

    names = [name for name in dict.fromkeys([*pre, *post]) if not expected(name)]
    return [compare(name, pre.get(name, ()), post.get(name, ()), settings) for name in names]


def reasons(measured: Sequence[Measured]) -> list[Reason]:
    """What of the numbers counts towards the verdict."""
    return [Reason(effect=each.effect, about=each.name, why=each.why) for each in measured if each.effect != "info"]
