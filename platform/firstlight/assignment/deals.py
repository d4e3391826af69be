"""Which stretch of the unit interval each arm holds, through changes of weights and of coverage. Pure.

A deal is made of strips. A strip fills from its start as the coverage goes from `low` to `high`: nobody in it takes
part below, everybody above. An experiment that never changed has one strip for each arm, from 0 to 1. A change of
weights cuts every strip at the coverage in force and gives away just as much as has to change hands, in each band of
coverage for itself: the arms have the new shares now and at every coverage to come, and a ramp still only adds units.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

from .rules import Range, ranges

LEAST = 1e-12  # of the interval: what floats leave over


class Strip(NamedTuple):
    start: float
    end: float
    low: float  # coverage at which the first of it takes part
    high: float  # at which all of it does

    def covered(self, coverage: float) -> Range:
        """As far as it has filled."""
        if coverage >= self.high:
            return self.start, self.end
        if coverage <= self.low:
            return self.start, self.start
        return self.start, self.start + (self.end - self.start) * (coverage - self.low) / (self.high - self.low)


Deal = Mapping[str, tuple[Strip, ...]]  # by arm; together, in the end, the whole interval


def begun(weights: Mapping[str, float], coverage: float) -> dict[str, tuple[Strip, ...]]:
    """As `rules.ranges` deals them, cut at this coverage: its edges are taken as they are, to the last bit."""
    now, whole = ranges([*weights.values()], coverage), ranges([*weights.values()], 1.0)
    found = {}
    for arm, (start, filled), (_, end) in zip(weights, now, whole, strict=True):
        past, rest = Strip(start, filled, 0.0, coverage), Strip(filled, end, coverage, 1.0)
        found[arm] = tuple(one for one in (past, rest) if one.end > one.start)
    return found


def read(stored: Mapping[str, Iterable[Sequence[float]]]) -> dict[str, tuple[Strip, ...]]:
    """As JSON has it: {arm: [[start, end, low, high], ...]}."""
    return {arm: tuple(Strip(*strip) for strip in strips) for arm, strips in stored.items()}


def moved(deal: Deal, weights: Mapping[str, float], coverage: float) -> dict[str, tuple[Strip, ...]]:
    """The same units with these shares; arms without a weight lose all they hold.

    Of those who take part, coverage x (the sum of what arms gain) change arm, and no way to share anew moves fewer:
    each arm that loses must lose that much.
    """
    cut = {arm: [part for strip in deal.get(arm, ()) for part in _cut(strip, coverage)] for arm in {**deal, **weights}}
    bands = sorted({(strip.low, strip.high) for strips in cut.values() for strip in strips})
    found: dict[str, list[Strip]] = {arm: [] for arm in weights}
    for band in bands:
        inside = {arm: [one for one in strips if one[2:] == band] for arm, strips in cut.items()}
        for arm, strips in _shared(inside, weights).items():
            found[arm] += strips
    return {arm: tuple(_joined(strips)) for arm, strips in found.items()}


def pieces(deal: Deal, arms: Iterable[str], coverage: float) -> tuple[tuple[Range, ...], ...]:
    """What each arm holds at this coverage, in the order of the arms; stretches that touch are one."""
    return tuple(tuple(_touching(strip.covered(coverage) for strip in deal.get(arm, ()))) for arm in arms)


def _cut(strip: Strip, coverage: float) -> list[Strip]:
    if not strip.low < coverage < strip.high:
        return [strip]
    _, at = strip.covered(coverage)
    return [Strip(strip.start, at, strip.low, coverage), Strip(at, strip.end, coverage, strip.high)]


def _shared(held: Mapping[str, list[Strip]], weights: Mapping[str, float]) -> dict[str, list[Strip]]:
    """One band of coverage: what is too much of an arm goes, from its end, to those that have too little, in order."""
    whole = sum(_length(strips) for strips in held.values())
    kept: dict[str, list[Strip]] = {}
    given: list[Strip] = []
    for arm, strips in held.items():
        kept[arm], over = _split(strips, weights.get(arm, 0) * whole)
        given += over
    for arm, weight in weights.items():
        more, given = _split(given, weight * whole - _length(kept[arm]))
        kept[arm] += more
    if given:  # what floats left over
        kept[list(weights)[-1]] += given
    return {arm: kept[arm] for arm in weights}


def _split(strips: Iterable[Strip], length: float) -> tuple[list[Strip], list[Strip]]:
    """The first of them up to this length, and the rest."""
    first: list[Strip] = []
    rest: list[Strip] = []
    for strip in strips:
        size = strip.end - strip.start
        if length >= size - LEAST:
            first.append(strip)
        elif length <= LEAST:
            rest.append(strip)
        else:
            first.append(strip._replace(end=strip.start + length))
            rest.append(strip._replace(start=strip.start + length))
        length -= min(size, max(length, 0))
    return first, rest


def _length(strips: Iterable[Strip]) -> float:
    return sum(strip.end - strip.start for strip in strips)


def _joined(strips: Iterable[Strip]) -> Iterable[Strip]:
    """Neighbours of one band are one strip: nobody moves, for a band is filled or empty when it is cut."""
    for band, several in groupby(sorted(strips, key=lambda one: (one[2:], one.start)), key=lambda one: one[2:]):
        yield from (Strip(start, end, *band) for start, end in _touching((one.start, one.end) for one in several))


def _touching(spans: Iterable[Range]) -> Iterable[Range]:
    found: list[Range] = []
    for start, end in sorted(span for span in spans if span[1] > span[0]):
        if found and found[-1][1] == start:
            found[-1] = (found[-1][0], end)
        else:
            found.append((start, end))
    return found
