"""The matrix of lifts by scenario and metric, and what spilled over from the scenario of the test into the others."""

from typing import Any

from experiments.page import stored
from experiments.page.choice import Choice, chosen_arm, focus
from experiments.page.stored import Json
from firstlight.console import charts, words
from firstlight.console.pictures import Picture
from firstlight.console.sections import Cell, Section, Table, heads, row

MOST = 12  # columns; the CSV has all
FULL = 0.1  # lift from which on the colour is at its strongest


def section(results: Json, choice: Choice) -> Section:
    arm = chosen_arm(results, choice)
    found = sorted((s for s in results["scenarios"] if s["arm"] == arm), key=lambda s: str(s["scenario"]))
    spilled = results["spill_over"]
    if not found and not spilled:
        why = "This look read one scenario only. Add scenarios to the plan, and their lifts stand side by side here."
        return Section("scenarios", "Scenarios", missing=why)
    return Section(
        "scenarios",
        "Scenarios",
        sentence=_sentence(results, spilled),
        switches=focus(results, choice, "scenarios", metrics=False) if found else (),
        pictures=[_matrix(results, arm, found)] if found else [],
        tables=[_spilled(results, spilled)] if spilled else [],
    )


def _sentence(results: Json, spilled: list[Json]) -> str:
    """Of the goal that moved most outside; a gain that is only moved from elsewhere is none."""
    clear = [s for s in spilled if stored.clear(s["spill_over"]) not in ("withheld", "unsettled")]
    if not spilled:
        return ""
    if not clear:
        return "No sign that the test moved anything from one scenario into another."
    most = max(clear, key=lambda s: abs(float(s["spill_over"]["value"])))
    way = "gained" if most["spill_over"]["value"] > 0 else "lost"
    name, arm = stored.metric_name(results, most["metric"]), stored.arm_name(results, most["arm"])
    return f"The other scenarios {way} as well: “{name}” of {arm} spilled over {stored.lift(most['spill_over'])}."


def _matrix(results: Json, arm: str, found: list[Json]) -> Picture:
    columns = list(dict.fromkeys(str(s["scenario"]) for s in found))[:MOST]
    cells = [_cell(results, s) for s in found if s["scenario"] in columns]
    caption = "Green: better, red: worse, strong from 10 % on. Grey: the interval holds 0."
    title = f"Lift of {stored.arm_name(results, arm)} by scenario"
    return Picture("scenarios", title, charts.heat(cells), [_csv(s) for s in found], caption)


def _cell(results: Json, found: Json) -> charts.Cell:
    name, change = stored.metric_name(results, found["metric"]), found["lift"]
    if not stored.is_given(change):
        return charts.Cell(name, found["scenario"], words.BLANK, "withheld", 0.0)
    tone = stored.clear(change, stored.direction(results, found["metric"]))
    strength = 0.0 if tone == "unsettled" else min(abs(change["value"]) / FULL, 1.0)
    return charts.Cell(name, found["scenario"], words.lift(change["value"]), tone, strength)


def _spilled(results: Json, spilled: list[Json]) -> Table:
    rows = [
        row(
            Cell(stored.metric_name(results, s["metric"]), stored.arm_name(results, s["arm"]), "name"),
            *(
                Cell(stored.lift(s[part]), tone=stored.clear(s[part], stored.direction(results, s["metric"])))
                for part in ("local", "spill_over", "global")
            ),
        )
        for s in spilled
    ]
    caption = "The same units in the scenarios of the test, elsewhere, and over all: shares of the control's whole mean"
    return Table(caption, heads("Metric", "#In the test", "#Spill-over", "#Over all"), rows)


def _csv(found: Json) -> dict[str, Any]:
    about = {name: found[name] for name in ("scenario", "metric", "arm")}
    return {**about, **stored.flat("lift", found["lift"]), **stored.flat("difference", found["difference"])}
