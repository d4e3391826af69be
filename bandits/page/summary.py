"""The figures at the top of the page."""

from bandits.page.known import Known, Wording
from firstlight.console import words


def figures(known: Known, wording: Wording) -> list[tuple[str, str, str]]:
    tried = int((known.seen > 0).sum())
    found = [
        ("Items tried", words.count(tried), f"of {words.count(len(known.items))} in the pool"),
        ("Impressions", words.count(float(known.seen.sum())), "of its items, in all slots"),
        (wording.rewards, words.number(float(known.successes.sum())), "as they weigh"),
    ]
    if known.average is None:
        return found
    return [*found, (wording.title, wording.rate(known.average), "of all items together")]
