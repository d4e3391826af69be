"""Whether another experiment on the same units changes what this one finds."""

from experiments.page import stored
from experiments.page.choice import Choice
from experiments.page.stored import Json, arm_name, metric_name
from firstlight.console import words
from firstlight.console.sections import Cell, Section, Table, heads, row

NOBODY = "No other experiment ran on the same units, so nothing can interact."
MOST = 30  # rows; the smallest p first


def section(results: Json, choice: Choice) -> Section:
    found = results["interactions"]
    if not found:
        why = next((c["sentence"] for c in results["health"] if c["check"] == "overlap"), NOBODY)
        return Section("interactions", "Interactions", missing=why)
    ranked = sorted(found, key=lambda i: (i.get("p_adjusted") is None, i.get("p_adjusted") or 0.0))
    return Section(
        "interactions", "Interactions", sentence=_sentence(results, ranked), tables=[_table(results, ranked)]
    )


def _sentence(results: Json, ranked: list[Json]) -> str:
    alpha = 1 - float(results["confidence"])
    clear = [i for i in ranked if i.get("p_adjusted") is not None and i["p_adjusted"] < alpha]
    others = words.plural(len({i["experiment"] for i in ranked}), "overlapping experiment")
    if not clear:
        return f"No sign that {others} and this one change each other's effect."
    return f"{words.plural(len(clear), 'interaction')} with {others}. {clear[0]['sentence']}"


def _table(results: Json, ranked: list[Json]) -> Table:
    rows = [
        row(
            Cell(i["experiment"], i.get("other_arm", ""), "name"),
            metric_name(results, i["metric"]),
            arm_name(results, i["arm"]),
            stored.p(i["p"]),
            stored.p(i.get("p_adjusted")),
            i["sentence"],
        )
        for i in ranked[:MOST]
    ]
    names = heads("Experiment", "Metric", "Arm", "#p", "#Adjusted p", "In words")
    return Table("Does the effect depend on the arm of another experiment?", names, rows)
