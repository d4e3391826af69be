"""Who holds which buckets of a layer, and which are free. Pure."""

from collections.abc import Iterable
from typing import NamedTuple

from firstlight.assignment.hashing import BUCKETS


class Span(NamedTuple):
    """Buckets from `start` (included) to `end` (not included), of 10,000."""

    start: int
    end: int
    holder: str | None  # key of the experiment; None: free


def allocation(held: Iterable[Span]) -> list[Span]:
    """All buckets of the layer in order, the free ones between the held ones. Spans held must not overlap.

    >>> allocation([Span(0, 5000, "ranker")])
    [Span(start=0, end=5000, holder='ranker'), Span(start=5000, end=10000, holder=None)]
    """
    spans: list[Span] = []
    reached = 0
    for span in sorted(held):
        if span.start > reached:
            spans.append(Span(reached, span.start, None))
        spans.append(span)
        reached = span.end
    return [*spans, Span(reached, BUCKETS, None)] if reached < BUCKETS else spans
