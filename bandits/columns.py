"""A column of words as bytes: each word once, and which of them each item has. Pure."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import numpy as np


class Column(msgspec.Struct, frozen=True, array_like=True):
    words: tuple[str, ...]
    codes: bytes  # little-endian uint32, of one item after the other
    counts: bytes = b""  # little-endian uint32, words per item; empty: one each


def columned(values: Iterable[str]) -> Column:
    """Of one word per item."""
    numbers: dict[str, int] = {}
    codes = [numbers.setdefault(value, len(numbers)) for value in values]
    return Column(tuple(numbers), np.array(codes, "<u4").tobytes())


def listed(values: Iterable[Sequence[str]]) -> Column:
    """Of any number of words per item."""
    several = list(values)
    column = columned(word for words in several for word in words)
    return Column(column.words, column.codes, np.array([len(words) for words in several], "<u4").tobytes())


def named(column: Column) -> Any:
    """A tuple of words, or of tuples of them, in which items with the same word share one string."""
    words = tuple(map(column.words.__getitem__, np.frombuffer(column.codes, "<u4").tolist()))
    if not column.counts:
        return words
    ends = np.cumsum(np.frombuffer(column.counts, "<u4")).tolist()
    return tuple(words[start:end] for start, end in zip([0, *ends], ends, strict=False))
