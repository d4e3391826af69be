"""Draw a table from a posterior, for the pool as the catalogue has it now."""

from collections.abc import Sequence

from bandits.models import Campaign, DrawTable, Posterior
from bandits.policies import draws
from bandits.policies.beliefs import Beta
from bandits.policies.policy import Policy
from firstlight.catalog.models import Item


def drawn(campaign: Campaign, posterior: Posterior, pool: Sequence[Item]) -> DrawTable:
    """An unsaved table; `pool` in the order of the posterior's items. The same posterior gives the same table."""
    beliefs, seed = posterior.beliefs, seed_of(campaign, posterior)
    believed = Beta(beliefs.items, beliefs.a, beliefs.b)
    rows = draws.table(Policy(), believed, None, draws.generators(seed), depth(campaign, pool))
    return DrawTable(
        campaign=campaign,
        posterior=posterior,
        seed=seed,
        items=posterior.items,
        merchants=merchants(pool),
        categories=categories(pool),
        n_rows=rows.shape[0],
        depth=rows.shape[1],
        rows=rows.astype("<u4").tobytes(),
    )


def is_current(table: DrawTable, posterior: Posterior, campaign: Campaign, pool: Sequence[Item]) -> bool:
    """Whether `drawn` would give this table again."""
    return (
        table.posterior_id == posterior.pk
        and table.merchants == merchants(pool)
        and table.categories == categories(pool)
        and table.depth == depth(campaign, pool)
    )


def seed_of(campaign: Campaign, posterior: Posterior) -> int:
    """Another one for every posterior of every campaign, kept within a signed 64-bit column."""
    return campaign.pk << 32 | posterior.number


def depth(campaign: Campaign, pool: Sequence[Item]) -> int:
    return draws.depth_for(len(set(campaign.positions)), draws.typical_share(categories(pool)), len(pool))


def merchants(pool: Sequence[Item]) -> list[str]:
    return [item.merchant.key if item.merchant else "" for item in pool]


def categories(pool: Sequence[Item]) -> list[str]:
    return [item.category.key if item.category else "" for item in pool]
