"""The table of all metrics, and for who asks, everything else that is known of each estimate."""

from experiments.page import stored
from experiments.page.choice import Choice, readings
from experiments.page.stored import ROLES, Json, arm_name
from firstlight.console import words
from firstlight.console.sections import Cell, Row, Section, Table, group, heads, row


def section(results: Json, choice: Choice) -> Section:
    return Section("metrics", "All metrics", tables=[_main(results, choice), *_more(results)])


def _main(results: Json, choice: Choice) -> Table:
    names = heads("Arm", "#Lift", "#Interval", "#p", "#Adjusted p", "Guardrail", "#Mean", "#Difference", "#Units")
    rows = [one for metric in results["metrics"] for one in _block(results, metric, choice)]
    shown = [s.chosen.lower() for s in readings(results, choice) if s.label != "Scale"]
    caption = ", ".join([f"Every metric against {arm_name(results, results['control'])}", *shown])
    return Table(caption, names, rows)


def _block(results: Json, metric: Json, choice: Choice) -> list[Row]:
    wanted = "more is better" if metric["direction"] == "increase" else "less is better"
    found = {e["arm"]: e for e in metric["estimates"]}
    lines = [_line(results, metric, arm, found.get(arm["arm"]), choice) for arm in metric["arms"]]
    return [group(metric["name"], f"{ROLES.get(metric['role'], metric['role'])}, {wanted}"), *lines]


def _line(results: Json, metric: Json, arm: Json, estimate: Json | None, choice: Choice) -> Row:
    """What decides stands first: on a phone the rest is a swipe away."""
    share, is_control = metric["share"], arm["arm"] == results["control"]
    name = Cell(arm_name(results, arm["arm"]), "control" if is_control else "", "name")
    mean, units = stored.level(arm["mean"], share=share), words.count(arm["units"])
    if estimate is None:
        return row(name, *[""] * 5, mean, "", units)
    read = stored.reading(estimate, choice.covariates, choice.horizon)
    decides = stored.decides(estimate, choice.covariates, choice.horizon)
    return row(
        name,
        *_lift(read["lift"], stored.tone(metric, estimate, read)),
        stored.p(read["p"], estimate.get("log10_p") if decides else None),
        stored.p(estimate.get("p_adjusted") if decides else None),  # corrected is what decides, and nothing else
        estimate["guardrail"]["sentence"] if estimate["guardrail"] else "",
        mean,
        Cell(stored.difference(read["difference"], share=share), stored.spread(read["difference"], share=share)),
        units,
    )


def _lift(change: Json, tone: str) -> list[Cell]:
    if not stored.is_given(change):
        return [Cell(words.BLANK), Cell(stored.withheld(change), tone="withheld")]
    return [Cell(words.lift(change["value"]), tone=tone), Cell(words.lift_interval(change["low"], change["high"]))]


def _more(results: Json) -> list[Table]:
    """Looks of the second version know more of each estimate than one line holds."""
    found = [(m, e) for m, e in stored.estimates(results) if e.get("readings")]
    if not found:
        return []
    asked = [(m, e) for m, e in found if e.get("others")]
    return [_sides(results, found), _worth(results, found), *([_others(results, asked)] if asked else [])]


def _sides(results: Json, found: list[tuple[Json, Json]]) -> Table:
    names = heads(
        "Estimate", "#Raw, fixed", "#Raw, sequential", "#Adjusted, fixed", "#Adjusted, sequential", "#Simultaneous",
        "#Variance saved", "Method",
    )  # fmt: skip
    rows = [
        row(
            _named(results, m, e),
            *(_lift_of(_reading(e, *kind)) for kind in KINDS),
            _lift_of(e.get("simultaneous")),
            words.percent(e.get("variance_reduction"), 2),
            str(e["method"]).replace("_", " "),
        )
        for m, e in found
    ]
    return Table("Every reading of each lift, and with the correction for their number", names, rows, is_folded=True)


KINDS = (("raw", "fixed"), ("raw", "sequential"), ("adjusted", "fixed"), ("adjusted", "sequential"))


def _worth(results: Json, found: list[tuple[Json, Json]]) -> Table:
    names = heads(
        "Estimate", "#Drawn in", "#Site-wide", "#Not capped", "#Without the top 0.1 %", "#Detectable", "#Still open"
    )
    rows = [
        row(
            _named(results, m, e),
            stored.lift(e.get("shrunken")),
            stored.lift(e.get("site_wide")),
            _lift_of(e.get("uncapped")),
            _lift_of(e.get("without_top")),
            words.percent(e.get("detectable"), 2),
            words.count(sum((e.get("immature") or {}).values())),
        )
        for m, e in found
    ]
    caption = "What a lift is worth: drawn in for the winner's curse, over the whole site, without capping or outliers"
    return Table(caption, names, rows, is_folded=True)


def _others(results: Json, found: list[tuple[Json, Json]]) -> Table:
    names = heads(
        "Estimate", "#Delta method", "#Log ratio", "#p of as good as control", "#Chance to win by counts",
        "#Lift if only winners are shown",
    )  # fmt: skip
    rows = [
        row(
            _named(results, m, e),
            _lift_of(others["delta"]),
            _lift_of(others["log_ratio"]),
            stored.p(others["equivalence"]),
            words.percent((others["counts"] or {}).get("chance_to_win"), 1),
            words.lift(others["conditional"]) if others["conditional"] is not None else words.BLANK,
        )
        for m, e in found
        for others in [e["others"]]
    ]
    return Table("The same by other methods, of one look; none of them decides", names, rows, is_folded=True)


def _named(results: Json, metric: Json, estimate: Json) -> Cell:
    return Cell(metric["name"], arm_name(results, estimate["arm"]), "name")


def _reading(estimate: Json, covariates: str, horizon: str) -> Json | None:
    found: Json | None = (estimate["readings"].get(covariates) or {}).get(horizon)
    return found


def _lift_of(found: Json | None) -> str:
    if not found:
        return words.BLANK
    change: Json = found.get("lift", found)
    return stored.lift(change)
