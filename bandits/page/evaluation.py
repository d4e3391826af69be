"""What other policies would have earned from the same choices: policy beside policy, estimator beside estimator."""

from collections.abc import Mapping, Sequence
from typing import Any

from bandits.page.known import Wording
from firstlight.console import charts, words
from firstlight.console.pictures import Picture
from firstlight.console.sections import Cell, Section, Table, heads, row

Json = Mapping[str, Any]

ESTIMATORS = {
    "ips": "IPS",
    "snips": "SNIPS",
    "dm": "DM",
    "dr": "DR",
    "sndr": "SNDR",
    "switch_dr": "Switch-DR",
    "dros": "DRos",
    "aw_aipw": "adaptively weighted AIPW",
    "naive_mean": "plain mean of what was shown (biased)",
}
SLATES = {"independent": "each slot by itself (IIPS)", "cascade": "slots from above (RIPS)", "full": "whole page"}
DRAWN = "dr"  # the least surprising where both propensities and rewards are known a little
BIASED = (
    "The plain mean is biased: a campaign shows more often what was clicked by luck. It stands here to be compared, "
    "never to be decided by."
)


def section(found: Sequence[Json], wording: Wording) -> Section:
    """As the API tells them."""
    title = "What others would have earned"
    if not found:
        return Section("evaluation", title, missing="There is no table yet: a campaign has one from its start on.")
    if not found[0]["n_choices"]:
        return Section("evaluation", title, missing=" ".join(["No choice can be counted yet.", *_left_out(found)]))
    return Section(
        "evaluation",
        title,
        sentence=sentence(found, wording),
        pictures=[_picture(found, wording)],
        tables=[_by_estimator(found, wording), _overlap(found), *_by_page(found, wording)],
        notes=[BIASED, *_left_out(found)],
    )


def sentence(found: Sequence[Json], wording: Wording) -> str:
    """The best that can be told apart from what was earned, or that none can."""
    n = words.plural(found[0]["n_choices"], "choice")
    told = [(one, drawn) for one in found if (drawn := _of(one, DRAWN))["value"] is not None]
    if not told or told[0][0]["value"] is None:
        return f"From {n} nothing can be told yet: {_why(found[0])}."
    earned = told[0][0]["value"]["logged"]
    clear = [(one, drawn) for one, drawn in told if drawn["low"] > earned]
    head = f"{n} earned {wording.rate(earned)} each"
    if not clear:
        return f"{head}; no other policy would clearly have earned more."
    best, drawn = max(clear, key=lambda pair: pair[1]["value"])
    return f"{head}; “{best['policy']}” would have earned {_between(drawn, wording)}."


def _why(one: Json) -> str:
    return str(one["withheld"] or _of(one, DRAWN)["withheld"] or "no data yet")


def _of(one: Json, name: str) -> Json:
    return next(each for each in one["estimators"] if each["name"] == name)


def _between(found: Json, wording: Wording) -> str:
    return f"{wording.rate(found['value'])} ({wording.between(found['low'], found['high'])})"


def _picture(found: Sequence[Json], wording: Wording) -> Picture:
    logged = next((one["value"]["logged"] for one in found if one["value"]), None)
    rows = [_row(one, logged, wording) for one in found]
    data = [{"policy": one["policy"], **each} for one in found for each in one["estimators"]]
    highest = max((one["value"] or 0.0 for one in (_of(each, DRAWN) for each in found)), default=0.0)
    chart = charts.intervals(
        rows, title=wording.title, zero=False, lowest=0.0, highest=3 * highest or 1.0, numbers=not wording.is_money
    )
    caption = "Doubly robust, with 95 % intervals by resampled units. Green or red: clear of what was earned."
    return Picture("evaluation", f"{wording.title}, by policy", chart, data, caption)


def _row(one: Json, logged: float | None, wording: Wording) -> charts.Interval:
    drawn = _of(one, DRAWN)
    if drawn["value"] is None:
        return charts.Interval(one["policy"], drawn["withheld"], "withheld")
    value, low, high = drawn["value"], drawn["low"], drawn["high"]
    tone = "unsettled" if logged is None or low <= logged <= high else "better" if low > logged else "worse"
    return charts.Interval(one["policy"], _between(drawn, wording), tone, value, low, high, short=wording.rate(value))


def _by_estimator(found: Sequence[Json], wording: Wording) -> Table:
    names = [name for name in ESTIMATORS if any(each["name"] == name for each in found[0]["estimators"])]
    rows = [
        row(Cell(one["policy"], tone="name"), *(_estimate(_of(one, name), wording) for name in names)) for one in found
    ]
    titles = heads("Policy", *(f"#{ESTIMATORS[name]}" for name in names))
    return Table("Every estimator", titles, rows, is_folded=True)


def _estimate(found: Json, wording: Wording) -> Cell:
    if found["value"] is None:
        return Cell(words.BLANK, found["withheld"] or "")
    between = wording.between(found["low"], found["high"]) if found["low"] is not None else ""
    return Cell(wording.rate(found["value"]), between)


def _overlap(found: Sequence[Json]) -> Table:
    titles = heads("Policy", "#Effective sample size", "#Mean weight", "#Largest weight", "#Supported", "Trusted")
    rows = [_weights(one["policy"], one["overlap"]) for one in found]
    return Table("How far the log can tell: the mean weight is 1 where all is sound", titles, rows, is_folded=True)


def _weights(policy: str, seen: Json) -> Any:
    trusted = Cell("yes", tone="better") if seen["is_trusted"] else Cell("no", tone="worse")
    numbers = (words.number(seen[name], 4) for name in ("ess", "mean_weight", "max_weight"))
    return row(Cell(policy, tone="name"), *numbers, words.percent(seen["supported"]), trusted)


def _by_page(found: Sequence[Json], wording: Wording) -> list[Table]:
    """Empty where no whole page was logged."""
    pages = [(one, slate) for one in found for slate in one["slates"] if slate["n_pages"]]
    if not pages:
        return []
    rows = [
        row(
            Cell(one["policy"], SLATES[slate["kind"]], tone="name"),
            words.count(slate["n_pages"]),
            *(_estimate(each, wording) for each in slate["estimators"]),
        )
        for one, slate in pages
    ]
    return [Table("By whole pages", heads("Policy", "#Pages", "#IPS", "#SNIPS"), rows, is_folded=True)]


def _left_out(found: Sequence[Json]) -> list[str]:
    told = [f"{words.count(one['n'])} ({one['why']})" for one in found[0]["left_out"] if one["n"]]
    return [f"Left out: {words.listing(told)}."] if told else []
