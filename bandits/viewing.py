"""How a campaign looks at the ledger of its scenario: which reward, how late it comes, which slots are looked at."""

from collections.abc import Mapping
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from bandits import ledgers
from bandits.evidence import Lens
from bandits.models import Campaign, Ledger, Reward
from bandits.policies import delays, positions
from bandits.policies.delays import Delays
from bandits.policies.positions import Examined
from firstlight.kernel.withheld import Withheld
from firstlight.objectives import weights

# The column of the ledger with the impressions that were rewarded.
REWARDED: Mapping[str, str] = {
    Reward.CLICK: "clicks",
    Reward.CART: "carts",
    Reward.ORDER: "orders",
    Reward.NET_VALUE: "valued",
    Reward.WEIGHTED: "clicks",
}
WITHIN = ("item_id", "segment", "arm", "day", "hour")
CAME = {"clicks": "click", "carts": "cart", "orders": "order", "net": "order", "share": "order"}  # by which event


def is_money(campaign: Campaign) -> bool:
    return campaign.reward == Reward.NET_VALUE


def mix(campaign: Campaign) -> dict[str, float]:
    """What each column of the ledger is worth. Weighted: never more than 1 an impression, for the weights sum to it."""
    match campaign.reward:
        case Reward.NET_VALUE:
            return {"net": 1.0}
        case Reward.WEIGHTED:
            mine = weights.in_force(campaign.scenario)
            return {"clicks": float(mine["user"]), "orders": float(mine["merchant"]), "share": float(mine["platform"])}
        case reward:
            return {REWARDED[reward]: 1.0}


def lens(campaign: Campaign, ledger: Ledger, cells: pa.Table, at: datetime) -> Lens:
    return Lens(
        at,
        mix(campaign),
        REWARDED[campaign.reward],
        took(campaign, ledger, at) if campaign.delay_aware else None,
        examined(cells, campaign.key) if campaign.position_aware else None,
        campaign.half_life_days,
    )


def examined(cells: pa.Table, campaign: str) -> dict[int, Examined] | Withheld:
    """From the campaign's own impressions; else from those of no campaign whose chance the sender knows.

    Never from both together, nor from those of another campaign: where other items stand, slots differ by them as well.
    """
    own = _kappas(cells, campaign)
    return _kappas(cells, "") if isinstance(own, Withheld) else own


def _kappas(cells: pa.Table, campaign: str) -> dict[int, Examined] | Withheld:
    rows = cells.filter(pc.equal(cells["campaign"], campaign))
    numbers = (rows[name].to_numpy() for name in positions.Cells._fields[1:])
    return positions.kappas(positions.Cells(_strata(rows), *numbers))


def _strata(cells: pa.Table) -> NDArray[np.int64]:
    """The number of each cell's stratum: an item under one policy in one hour, where nothing but the slot changes."""
    columns = [cells[name].combine_chunks().dictionary_encode() for name in WITHIN]
    codes = np.zeros(cells.num_rows, np.int64)
    for column in columns:
        codes = codes * len(column.dictionary) + column.indices.to_numpy()
    return np.unique(codes, return_inverse=True)[1]


def took(campaign: Campaign, ledger: Ledger, at: datetime) -> Delays | Withheld:
    """How long rewards take; young impressions tell of the hours that they had time for."""
    rows = ledgers.delays(ledger, (at - ledgers.HISTORY).date(), at.date())
    worth: dict[str, float] = {}
    for column, weight in mix(campaign).items():
        worth[CAME[column]] = worth.get(CAME[column], 0.0) + (1.0 if is_money(campaign) else weight)
    weight_of = np.array([worth.get(reward, 0.0) for reward in rows["reward"].to_pylist()])
    ended = rows["day"].to_numpy().astype("datetime64[D]").astype("datetime64[s]") + np.timedelta64(1, "D")
    ages = (np.datetime64(at.replace(tzinfo=None), "s") - ended) / np.timedelta64(1, "h")
    count = rows["count"].to_numpy() * weight_of
    return delays.fitted(rows["hours"].to_numpy(), count, campaign.attribution_hours, ages)
