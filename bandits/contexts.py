"""What items earn in each segment, learned together: the beliefs of a contextual policy. Pure.

A segment is a context. What is counted in one tells of the others as far as the model finds them alike, and of items
that it has not shown as far as their category, merchant and price do.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bandits.believing import Stand
from bandits.evidence import Evidence
from bandits.policies import contextual, encoding, incontext, stored
from bandits.policies.contextual import Matrix, Prior, Seen, Vector
from bandits.policies.encoding import Traits
from bandits.policies.incontext import InContext

MODELS = {"linear": contextual.linear, "logistic": contextual.logistic}


@dataclass(frozen=True, slots=True, eq=False)
class InContexts:
    model: bytes  # as `stored` packs it
    beliefs: Mapping[str, InContext]  # by segment


def learned(
    kind: str, attribute: str, *, traits: Traits, stand: Stand, parts: Mapping[str, Evidence], whole: Evidence
) -> InContexts:
    """From what was seen in each segment and in all traffic, in the order of the items that `traits` tell of.

    What was seen in no segment is a context of its own, so that it tells of the items and not of any segment.
    """
    counts = {segment: 1.0 + float(seen.trials.sum()) for segment, seen in parts.items()}
    by = encoding.fitted(traits, {attribute: counts})
    context = {segment: by.context({attribute: segment}) for segment in (*parts, "")}
    trials = _apart([seen.trials for seen in parts.values()], whole.trials)
    rewards = _apart([seen.successes for seen in parts.values()], whole.successes)
    if kind == "logistic":  # a reward may come before its impression is a whole trial
        rewards = np.minimum(rewards, trials)
    model = MODELS[kind](Seen(by.items(traits), np.stack(list(context.values())), trials, rewards), prior(stand))
    beliefs = {segment: incontext.believed(model, whole.items, context[segment]) for segment in parts}
    return InContexts(stored.pack(model, by), beliefs)


def _apart(parts: Sequence[Vector], whole: Vector) -> Matrix:
    """A column for each part, and one for what is in none."""
    return np.column_stack([*parts, np.maximum(whole - np.sum(parts, axis=0), 0.0)])


def prior(stand: Stand) -> Prior:
    """As strong as that of items by themselves, about the rate of the scenario; of money, about its mean."""
    conversion, strength = stand.rewards.levels[0].mean, stand.rewards.strength
    if stand.values is None:
        return Prior(conversion, strength)
    worth = float(stand.values.mean(np.full(len(stand.values.m), stand.cap)).mean())
    return Prior(
        conversion * worth, strength, noise=float(np.sqrt(conversion * worth * stand.cap))
    )  # at most: v <= cap


def traits(categories: Sequence[str], merchants: Sequence[str], prices: Sequence[tuple[float, str] | None]) -> Traits:
    """Prices are amounts with their currency; those in another than most are not comparable, and as if not known."""
    (main, _), *_ = Counter(price[1] for price in prices if price).most_common(1) or [("", 0)]
    return Traits(categories, merchants, [price[0] if price and price[1] == main else None for price in prices])
