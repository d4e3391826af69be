"""The experiments that the logs hold: one in each scenario, one over the whole shop, and an A/A within the control."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass

from firstlight.demo.open_bandit import ARMS, CAMPAIGNS, Impression

NAMES = uuid.uuid5(uuid.NAMESPACE_URL, "https://arxiv.org/abs/2008.07146")
SHOP, SAME = "open-bandit-shop", "open-bandit-aa"


@dataclass(frozen=True, slots=True)
class Trial:
    key: str
    name: str
    hypothesis: str
    scenarios: tuple[str, ...]
    arms: tuple[str, ...]
    type: str = "ab"
    sets: bool = False  # the arm is the ranker; else rows that another one dealt are read in its way
    closing: str = ""  # what is written when it is decided, with nothing to ship; empty: it runs on


def _trials() -> Iterator[Trial]:
    for campaign in CAMPAIGNS:
        yield Trial(
            experiment_key(campaign),
            f"Thompson sampling in “{campaign}”",
            "Items ranked by Bernoulli Thompson sampling are clicked more often than random ones.",
            (campaign,),
            tuple(ARMS),
            sets=True,
        )
    yield Trial(
        SHOP,
        "Thompson sampling in the whole shop",
        "What wins in one campaign wins in all of them: one ranker can serve the shop.",
        CAMPAIGNS,
        tuple(ARMS),
        closing="The lift hangs on “men” alone; the campaigns are decided one by one.",
    )
    yield Trial(
        SAME,
        "Random against random in “all”",
        "Two halves of the same random logs differ in nothing: assignment and metrics can be trusted.",
        ("all",),
        ("one", "other"),
        "aa",
        closing="The halves are alike. Assignment, events and metrics are in order.",
    )


def experiment_key(campaign: str) -> str:
    return f"open-bandit-{campaign}"


def assigned(shown: Impression, unit: str) -> Iterator[tuple[str, str]]:
    """(experiment, arm) of this row: policies as they were logged, the A/A by a hash of the unit."""
    yield experiment_key(shown.campaign), shown.arm
    yield SHOP, shown.arm
    if (shown.campaign, shown.arm) == ("all", "random"):
        yield SAME, ("one", "other")[uuid.uuid5(NAMES, f"{unit} {SAME}").int % 2]


TRIALS = tuple(_trials())
