"""The arms of many units at once: the same hash over whole arrays of ids, for workers and notebooks. Pure.

NumPy is imported here only: who asks about one unit at a time (serving, the Python client) does without it.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import special, targeting
from .hashing import BUCKETS, bucket, fnv1a
from .lookups import NOBODY, Lookup
from .rules import Filter, Rule

Ids = Sequence[str] | NDArray[np.str_]
Hashes = NDArray[np.uint32]
Attributes = Sequence[Mapping[str, Any]]

OUTSIDE = -1  # of a unit that takes no part
CHUNK = 16_384  # units: what is computed of them stays in the processor's cache

_PRIME, _TEN, _ZERO = np.uint32(16777619), np.uint32(10), np.uint32(ord("0"))
_BASIS = np.uint32(2166136261)


class OneByOne(ValueError):
    """A rule by which a unit's arm follows from more than hash, layers and condition: ask `Index.assign`."""


def positions(
    rule: Rule,
    ids: Ids,
    attributes: Attributes | None = None,
    groups: Mapping[str, Collection[Any]] = targeting.NO_GROUPS,
) -> NDArray[np.int16]:
    """Place among the rule's arms of each unit, or `OUTSIDE`; `ids` are of the kind that the rule hashes.

    What `Index.of([rule]).assign` says of each, with these attributes; without any, nothing is known of anybody.
    Raises `OneByOne` for a rule with testers, prerequisites or sticky units.
    """
    if special.is_special(rule):
        raise OneByOne(rule.key)
    lookup, units = Lookup.of(rule, groups), _array(ids)
    table = np.frombuffer(lookup.table, np.uint8).astype(np.int16)
    table[table == NOBODY] = OUTSIDE
    found: NDArray[np.int16] = table[buckets(rule.seed, units)]
    found[units == ""] = OUTSIDE
    for one in (rule.layer, *rule.further):
        if one:
            found[~_has(one, units)] = OUTSIDE
    if lookup.test:
        taking_part = np.flatnonzero(found != OUTSIDE).tolist()
        given = attributes if attributes is not None else [{}] * len(units)
        found[[place for place in taking_part if not lookup.test(given[place])]] = OUTSIDE
    return found


def buckets(seed: str, ids: Ids) -> NDArray[np.int32]:
    """Where each unit falls under this seed, from 0 to 9,999: `hashing.bucket` of each."""
    units = _array(ids)
    if units.dtype == object or not seed.isascii():
        return np.fromiter((bucket(seed, unit) for unit in units.tolist()), np.int32, len(units))
    found = np.empty(len(units), np.int32)
    for start in range(0, len(units), CHUNK):
        found[start : start + CHUNK] = _of_ascii(seed, units[start : start + CHUNK])
    return found


def _array(ids: Ids) -> NDArray[Any]:
    """As fixed-width text; as objects where a NUL is among it, for at the end that would be lost."""
    if isinstance(ids, np.ndarray):
        return ids
    return np.array(ids, object if "\0" in "".join(ids) else np.str_) if len(ids) else np.empty(0, "U1")


def _of_ascii(seed: str, units: NDArray[np.str_]) -> NDArray[np.int32]:
    """Those that are not ASCII one by one."""
    characters = np.ascontiguousarray(units).view(np.uint32).reshape(len(units), -1).T.copy()
    found = (_of_numbers(_of_texts(fnv1a(seed), characters)) % BUCKETS).astype(np.int32)
    for place in np.flatnonzero((characters > 127).any(0)).tolist():
        found[place] = bucket(seed, str(units[place]))
    return found


def _of_texts(state: int, characters: NDArray[np.uint32]) -> Hashes:
    """FNV-1a, going on from `state`, over texts that stand in columns and end with the last that is not NUL."""
    ends = len(characters) - np.argmax(characters[::-1] != 0, axis=0)
    ends[~characters.any(0)] = 0
    shortest = int(ends.min())
    there = (ends > place if place >= shortest else True for place in range(len(characters)))
    return _over(np.full(characters.shape[1], state, np.uint32), zip(characters, there, strict=True))


def _of_numbers(numbers: Hashes) -> Hashes:
    """FNV-1a over the decimal digits of each."""
    digits = np.empty((10, len(numbers)), np.uint32)
    left = numbers
    for place in range(9, -1, -1):
        tens = left // _TEN
        digits[place] = left - tens * _TEN
        left = tens
    digits += _ZERO
    there = (numbers >= 10 ** (9 - place) if place < 9 else True for place in range(10))
    return _over(np.full(len(numbers), _BASIS), zip(digits, there, strict=True))


def _over(hashes: Hashes, characters: Iterable[tuple[Hashes, NDArray[np.bool_] | bool]]) -> Hashes:
    """One character of each text at a time, of those that have one there."""
    for row, is_there in characters:
        np.copyto(hashes, (hashes ^ row) * _PRIME, where=is_there)
    return hashes


def _has(filter: Filter, units: NDArray[Any]) -> NDArray[np.bool_]:
    points = buckets(filter.seed, units)
    return (points >= filter.first) & (points < filter.end)
