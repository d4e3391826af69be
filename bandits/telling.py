"""What a look says of a campaign in one sentence, and the numbers that stand beside it. Pure."""

from collections.abc import Mapping
from typing import Any

from bandits.policies.evaluation import Log
from bandits.policies.forgone import Cost
from bandits.worth import LEARNED, stored
from firstlight.console import words
from firstlight.kernel.withheld import Reason, Withheld

Json = Mapping[str, Any]

BIASED = (
    "Biased, and here only to compare: the campaign showed more often what had been clicked by luck, and its slots are "
    "not those of other items."
)


def cost(found: Cost | Withheld, n_choices: int, n_discovered: int) -> dict[str, Any]:
    """Of exploring, in clicks, since the start: what each table's best items would have earned less what was earned."""
    common = {"choices": n_choices, "discovered": n_discovered}
    if isinstance(found, Withheld):
        blank = stored(found)
        names = ("clicks", "by_ips", "per_item", "greedy", "earned", "ess", "mean_weight", "is_trusted")
        return {**common, **dict.fromkeys(names, blank)}
    return {
        **common,
        "clicks": stored(found.total),
        "by_ips": found.by_ips,
        "per_item": stored(found.per(n_discovered)),
        "greedy": found.greedy,
        "earned": found.earned,
        "ess": found.overlap.ess,
        "mean_weight": found.overlap.mean_weight,
        "is_trusted": found.overlap.is_trusted,
    }


def naive(log: Log) -> dict[str, Any]:
    """Clicks per impression in the campaign's slots, as they come."""
    n = len(log.reward)
    rate = float(log.reward.mean()) if n else stored(Withheld(Reason.NO_DATA))
    return {"click_rate": rate, "choices": n, "label": BIASED}


def sentence(found: Json) -> str:
    """What it brought, what it cost, what it discovered."""
    return f"{_brought(found['worth'])} {_cost(found['cost'])}"


def _brought(brought: Json) -> str:
    if brought["split"]["passed"] is None:
        return "What the campaign brought is not known: it has no control share."
    if brought["split"]["passed"] is False:
        return f"What the campaign brought is withheld. {brought['split']['sentence']}"
    orders = next(one for one in brought["estimates"] if one["metric"] == "orders" and one["arm"] == LEARNED)
    lift = orders["lift"]
    if "withheld" in lift:
        return f"What the campaign brought in orders is withheld: {lift['withheld']}."
    between = f"between {words.lift(lift['low'])} and {words.lift(lift['high'])}"
    clear = "" if lift["low"] > 0 or lift["high"] < 0 else ", which may be chance"
    return f"The campaign brought {words.lift(lift['value'])} orders, {between}{clear}."


def _cost(spent: Json) -> str:
    found = f"it discovered {words.plural(spent['discovered'], 'item')}"
    clicks = spent["clicks"]
    if "withheld" in clicks:
        return f"What exploring cost is withheld ({clicks['withheld']}); {found}."
    between = f"{words.count(clicks['low'])} to {words.count(clicks['high'])}"
    return f"Exploring cost {words.count(clicks['value'])} clicks ({between}), and {found}."
