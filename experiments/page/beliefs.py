"""The Bayesian view of the goals: what to believe, not when to stop."""

from typing import Any

from experiments.page import stored
from experiments.page.choice import Choice
from experiments.page.stored import Json, arm_name
from firstlight.console import charts, words
from firstlight.console.pictures import Picture
from firstlight.console.sections import Cell, Section, Table, heads, row

PRIORS = {"history": "fitted to past experiments", "flat": "flat", "own": "the plan's own"}
CARE = (
    "Do not stop by it: watched daily, “95 % to win” is reached by nearly half of all experiments without any effect. "
    "The verdict goes by the sequence above."
)


def section(results: Json, choice: Choice) -> Section:
    found = [(m, e) for m, e in stored.estimates(results) if m["role"] == "primary" and _has(e)]
    if not found:
        return Section(
            "beliefs", "Bayesian view", missing="Comes with the next look, once a goal can be compared in two arms."
        )
    return Section(
        "beliefs",
        "Bayesian view",
        sentence=_sentence(results, *found[0]),
        pictures=[_picture(results, found)],
        tables=[_table(results, found)],
        notes=[CARE],
        badge="not a stopping rule",
    )


def chance(share: float) -> str:
    """Never 0 or 100 %: nothing is certain.

    >>> chance(0.91234), chance(0.99999), chance(0.0)
    ('91.2 %', '> 99.9 %', '< 0.1 %')
    """
    if share > 0.999:
        return "> 99.9 %"
    return "< 0.1 %" if share < 0.001 else f"{share * 100:.1f} %"


def _has(estimate: Json) -> bool:
    bayes = estimate.get("bayes") or {}
    return bayes.get("chance_to_win") is not None


def _sentence(results: Json, metric: Json, estimate: Json) -> str:
    told = chance(estimate["bayes"]["chance_to_win"])
    return f"{arm_name(results, estimate['arm'])} is better in “{metric['name']}” with a chance of {told}."


def _picture(results: Json, found: list[tuple[Json, Json]]) -> Picture:
    rows = [_interval(results, m, e) for m, e in found]
    sure = words.percent(float(results["confidence"]))
    caption = f"Line: {sure} of what to believe about the lift, {_prior(found[0][1]['bayes'])}."
    data = [_csv(m, e) for m, e in found]
    return Picture("beliefs", "What to believe about the lift", charts.intervals(rows, title="Lift"), data, caption)


def _interval(results: Json, metric: Json, estimate: Json) -> charts.Interval:
    bayes, label = estimate["bayes"], f"{metric['name']} · {arm_name(results, estimate['arm'])}"
    low, high = bayes.get("low"), bayes.get("high")
    if low is None or high is None:
        return charts.Interval(label, "withheld: too little data for a percentage", "withheld")
    note = f"{chance(bayes['chance_to_win'])} to win ({words.lift_interval(low, high)})"
    middle = bayes.get("mean", (low + high) / 2)
    tone = stored.clear({"value": middle, "low": low, "high": high}, metric["direction"])
    short = f"{chance(bayes['chance_to_win'])} to win"
    return charts.Interval(label, note, tone, middle, low, high, short=short)


def _table(results: Json, found: list[tuple[Json, Json]]) -> Table:
    names = heads("Goal", "#Chance to win", "#Expected loss", "#Interval", "#With a flat prior", "Prior")
    rows = [
        row(
            Cell(m["name"], arm_name(results, e["arm"]), "name"),
            chance(e["bayes"]["chance_to_win"]),
            words.percent(e["bayes"].get("expected_loss"), 2),
            _ends(e["bayes"]),
            _flat(e["bayes"].get("flat") or {}),
            _prior(e["bayes"]),
        )
        for m, e in found
    ]
    return Table("Chance to win, and how much it hangs on the prior", names, rows)


def _ends(bayes: Json) -> str:
    low, high = bayes.get("low"), bayes.get("high")
    return words.BLANK if low is None or high is None else words.lift_interval(low, high)


def _flat(flat: Json) -> str:
    if flat.get("chance_to_win") is None:
        return words.BLANK
    return f"{chance(flat['chance_to_win'])} ({_ends(flat)})"


def _prior(bayes: Json) -> str:
    prior = bayes.get("prior") or {}
    kind = PRIORS.get(str(prior.get("kind") or prior.get("source") or ""), "")
    if prior.get("sd") is None:
        return f"prior {kind or 'flat'}"
    spread = f"{words.lift(prior.get('mean') or 0.0)} ± {words.percent(prior['sd'], 2)}"
    return f"prior {spread}" + (f", {kind}" if kind else "")


def _csv(metric: Json, estimate: Json) -> dict[str, Any]:
    bayes = estimate["bayes"]
    kept = {name: bayes.get(name) for name in ("chance_to_win", "expected_loss", "mean", "low", "high")}
    return {"metric": metric["metric"], "arm": estimate["arm"], **kept}
