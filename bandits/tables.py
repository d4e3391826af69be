"""Draw a table from a posterior, for the pool as the catalogue has it now."""

from collections.abc import Sequence
from hashlib import blake2b
from typing import cast

from bandits.models import Campaign, DrawTable, PolicyKind, Posterior
from bandits.policies import draws, pacing
from bandits.policies.policy import UNIFORM as UNIFORM_POLICY
from bandits.policies.policy import Kind, Policy, Vector
from firstlight.catalog.models import Item

UNIFORM = "uniform"
CONTEXTUAL = (PolicyKind.LINEAR, PolicyKind.LOGISTIC)


def drawn(campaign: Campaign, posterior: Posterior, pool: Sequence[Item], arm: str = "learned") -> DrawTable:
    """An unsaved table; `pool` in the order of the posterior's items. The same posterior gives the same table."""
    seed, how = seed_of(campaign, posterior, arm), policy_of(campaign, arm)
    pace = pace_of(posterior)
    rows = draws.table(how, posterior.beliefs, pace, draws.generators(seed), depth(campaign, pool))
    return DrawTable(
        campaign=campaign,
        posterior=posterior,
        segment=posterior.segment,
        arm=arm,
        seed=seed,
        items=posterior.items,
        merchants=merchants(pool),
        categories=categories(pool),
        n_rows=rows.shape[0],
        depth=rows.shape[1],
        rows=rows.astype("<u4").tobytes(),
    )


def policy_of(campaign: Campaign, arm: str) -> Policy:
    """How the rows of this arm are ranked; under a contextual policy, for requests that bring no context."""
    if arm == UNIFORM:
        return UNIFORM_POLICY
    kind = "thompson" if campaign.policy in CONTEXTUAL else campaign.policy
    return Policy(cast("Kind", kind), float(campaign.epsilon))


def pace_of(posterior: Posterior) -> Vector | None:
    """What is added to the scores; None where nothing was promised, so that a table is what its posterior draws."""
    numbers = posterior.numbers
    pace = pacing.of(posterior.items, numbers).total if "guarantee" in numbers else None
    return pace if pace is not None and pace.any() else None


def is_current(table: DrawTable, posterior: Posterior, campaign: Campaign, pool: Sequence[Item]) -> bool:
    """Whether `drawn` would give this table again."""
    return (
        table.posterior_id == posterior.pk
        and table.merchants == merchants(pool)
        and table.categories == categories(pool)
        and table.depth == depth(campaign, pool)
    )


def seed_of(campaign: Campaign, posterior: Posterior, arm: str = "learned") -> int:
    """Another one for every posterior, segment and arm of every campaign, kept within a signed 64-bit column."""
    if not posterior.segment and arm != UNIFORM:
        return campaign.pk << 32 | posterior.number
    words = f"{campaign.pk}\0{posterior.number}\0{posterior.segment}\0{arm}"
    return int.from_bytes(blake2b(words.encode(), digest_size=8).digest(), "big") >> 1


def depth(campaign: Campaign, pool: Sequence[Item]) -> int:
    return draws.depth_for(len(set(campaign.positions)), draws.typical_share(categories(pool)), len(pool))


def merchants(pool: Sequence[Item]) -> list[str]:
    return [item.merchant.key if item.merchant else "" for item in pool]


def categories(pool: Sequence[Item]) -> list[str]:
    return [item.category.key if item.category else "" for item in pool]
