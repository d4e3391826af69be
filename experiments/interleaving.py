"""Team-draft interleaving: two rankers make one list, and what people click tells which of them they like. Pure.

Source: Radlinski, Kurup, Joachims (2008), CIKM, algorithm 2.
"""

from collections.abc import Iterator, Sequence

from firstlight.assignment.hashing import BUCKETS, bucket


def draft(first: Sequence[str], second: Sequence[str], slots: int, seed: str) -> list[tuple[str, int]]:
    """(item, team 0 or 1) of every slot. Each round a coin decides who picks first, then the other picks.

    A team picks the best of its items that the list does not have yet; when it has none left, the other goes on alone.

    >>> draft(["a", "b"], ["b", "c"], 3, "ranker:t-1")
    [('b', 1), ('a', 0), ('c', 1)]
    """
    lists, taken = (iter(_unique(first)), iter(_unique(second))), set[str]()
    drafted: list[tuple[str, int]] = []
    for team in _turns(seed):
        item = next((one for one in lists[team] if one not in taken), None)
        if item is not None:
            taken.add(item)
            drafted.append((item, team))
        if len(drafted) >= slots or (item is None and taken >= {*first, *second}):
            return drafted[:slots]
    raise AssertionError("turns never end")


def _turns(seed: str) -> Iterator[int]:
    """In the lower half of the buckets of seed and round the first team begins the round."""
    number = 0
    while True:
        begins = int(bucket(seed, f":{number}") >= BUCKETS // 2)
        yield begins
        yield 1 - begins
        number += 1


def _unique(items: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(items))
