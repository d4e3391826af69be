"""What was planned, how it went, who decided: rows of the database in the shapes of the page."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from experiments.models import Experiment, Look, Redrawn
from experiments.page import stored
from experiments.page.stored import ROLES, Json
from experiments.page.summary import verdict_tone
from firstlight.console import words
from firstlight.console.sections import Cell, Section, Table, heads, row

NOT_REDRAWN = (
    "Nobody has checked this look by the bootstrap yet. It draws the units again, some thousand times, and trusts no "
    "formula for an error: worth it for few units with very large values."
)
DECISION_TONES = {"shipped": "better", "rejected": "worse", "inconclusive": "neutral"}


@dataclass(frozen=True, slots=True)
class Decided:
    """The banner above everything else."""

    kind: str
    tone: str
    sentence: str
    note: str
    look: int | None


def decided(experiment: Experiment, arms: Sequence[Any]) -> Decided | None:
    if not experiment.decision:
        return None
    by = f" by {experiment.decided_by}" if experiment.decided_by else ""
    at = f" on {experiment.decided_at:%-d %B %Y}" if experiment.decided_at else ""
    shipped = next((str(a) for a in arms if a.key == experiment.shipped_arm), experiment.shipped_arm)
    what = (
        f"{shipped} was shipped" if experiment.decision == "shipped" and shipped else f"Decided: {experiment.decision}"
    )
    look = f", after look {experiment.decision_look}" if experiment.decision_look else ""
    tone = DECISION_TONES.get(experiment.decision, "neutral")
    sentence = f"{what}{by}{at}{look}."
    return Decided(
        experiment.get_decision_display(), tone, sentence, experiment.decision_note, experiment.decision_look
    )


def plan(experiment: Experiment, arms: Sequence[Any], measured: Sequence[Any]) -> Section:
    return Section(
        "plan",
        "Plan",
        sentence="Locked since the start." if experiment.started_at else "Not locked yet: it locks at the start.",
        tables=[
            Table(
                "Settings", heads("Setting", "Value"), [row(Cell(n, tone="name"), v) for n, v in settings(experiment)]
            ),
            _arms(arms),
            _metrics(measured),
        ],
    )


def settings(experiment: Experiment) -> list[tuple[str, str]]:
    sequence = experiment.get_analysis_display().partition(":")[0]
    spending = f", {experiment.get_spending_display().partition(':')[0]}"
    units = f" or {words.count(experiment.planned_units)} units" if experiment.planned_units else ""
    found = [
        ("Key", experiment.key),
        ("Kind", experiment.get_type_display().partition(":")[0]),
        ("Hypothesis", experiment.hypothesis or words.BLANK),
        ("Owner", str(experiment.owner or words.BLANK)),
        ("Scenarios", words.listing([s.name for s in experiment.scenarios.all()]) or words.BLANK),
        (
            "Unit",
            experiment.get_unit_display() + (f", in clusters by {experiment.cluster}" if experiment.cluster else ""),
        ),
        ("Takes part", words.percent(float(experiment.coverage)) + (", targeted" if experiment.targeting else "")),
        ("Layer", _layer(experiment)),
        ("Confidence", words.percent(float(experiment.confidence))),
        ("Analysis", sequence + (spending if experiment.analysis == "group_sequential" else "")),
        ("Correction", experiment.get_correction_display().partition(":")[0]),
        ("Adjustment", f"CUPED over {words.plural(experiment.pre_days, 'day')}" if experiment.cuped else "none"),
        ("Prior", experiment.get_prior_display()),
        ("Slices", words.listing(experiment.slices) or words.BLANK),
        ("Length", words.plural(experiment.planned_days, "day") + units),
        ("Held back", words.percent(float(experiment.holdback)) if experiment.holdback else words.BLANK),
        ("Started", _at(experiment.started_at, "not yet")),
        ("Stopped", _at(experiment.stopped_at, words.BLANK)),
    ]
    return [(name, value) for name, value in found if value != words.BLANK]


def _layer(experiment: Experiment) -> str:
    if not experiment.layer:
        return "overlaps with every other"
    return f"{experiment.layer}, buckets {experiment.first_bucket} to {experiment.end_bucket - 1}"


def _arms(arms: Sequence[Any]) -> Table:
    rows = [
        row(
            Cell(str(a), "control" if a.position == 0 else a.key, "name"),
            words.percent(float(a.weight)),
            _json(a.parameters),
        )
        for a in arms
    ]
    return Table("Arms", heads("Arm", "#Weight", "Parameters"), rows)


def _metrics(measured: Sequence[Any]) -> Table:
    rows = [
        row(
            Cell(m.metric.name, m.metric.key, "name"),
            ROLES.get(m.role, m.role),
            words.percent(float(m.margin)) if m.role == "guardrail" else words.BLANK,
            f"version {m.version}" if m.version else "as it stands",
        )
        for m in measured
    ]
    return Table("Metrics", heads("Metric", "Role", "#Margin", "Definition"), rows)


def course(phases: Iterable[Any], ramp: Iterable[Any], arms: Sequence[Any]) -> Section:
    """Phases and ramp, with what each gate saw."""
    went = [
        row(
            Cell(str(p.number), tone="name"),
            _at(p.started_at),
            _at(p.ended_at, "goes on"),
            _shares(p.weights, arms),
            p.reason or words.BLANK,
        )
        for p in phases
    ]
    steps = [
        row(
            Cell(words.percent(float(s.coverage)), tone="name"),
            f"{s.hold_hours} h" + (f", {words.count(s.least_units)} units" if s.least_units else ""),
            Cell(s.get_outcome_display(), tone="worse" if s.outcome == "rolled_back" else ""),
            _at(s.entered_at),
            _at(s.left_at),
            _evidence(s.evidence),
        )
        for s in ramp
    ]
    tables = []
    if went:
        tables.append(Table("Phases", heads("Phase", "From", "To", "Weights", "Why"), went))
    if steps:
        names = heads("Coverage", "At least", "Outcome", "From", "To", "What the gate saw")
        tables.append(Table("Ramp", names, steps))
    missing = "" if tables else "Phases and the stages of a ramp are written down from the start on."
    return Section("course", "Phases and ramp", tables=tables, missing=missing)


def history(looks: Sequence[Look], shown: Look | None) -> Section:
    rows = [
        row(
            Cell(str(past.number), "shown" if shown and past.pk == shown.pk else "", "name", f"?look={past.number}"),
            _at(past.computed_at),
            Cell(past.verdict, tone=verdict_tone(past.verdict)),
            past.sentence,
        )
        for past in looks
    ]
    table = Table("Every look so far, newest first", heads("Look", "Computed", "Verdict", "In words"), rows)
    return Section("looks", "Looks", tables=[table])


def redrawn(look: Look, results: Json) -> Section:
    """Beside the formula's raw reading of one look, which is what the bootstrap checks."""
    found: Redrawn | None = Redrawn.objects.filter(look=look).first()
    if found is None:
        return Section("redrawn", "Checked by drawing again", sentence="Not yet.", missing=NOT_REDRAWN)
    by_formula = {(m["metric"], e["arm"]): (m["name"], e) for m, e in stored.estimates(results)}
    rows = [
        row(
            Cell(name, stored.arm_name(results, one["arm"]), "name"),
            stored.lift(estimate["readings"]["raw"]["fixed"]["lift"]),
            stored.lift(one["lift"]),
            words.number(one["se"]) if one["se"] is not None else words.BLANK,
            words.count(one["buckets"]),
        )
        for one in found.results
        if (known := by_formula.get((one["metric"], one["arm"]))) and known[1].get("readings")
        for name, estimate in [known]
    ]
    names = heads("Estimate", "#Lift by formula", "#Lift drawn again", "#Standard error", "#Groups of units")
    table = Table("Raw, of one look; where both say about the same, the formula can be trusted", names, rows)
    drawn = f"Units were drawn again {words.count(found.draws)} times, {_at(found.made_at)}."
    return Section("redrawn", "Checked by drawing again", sentence=drawn, tables=[table])


def _shares(weights: dict[str, float], arms: Sequence[Any]) -> str:
    """Control first; arms that are gone by now come last."""
    order = {arm.key: i for i, arm in enumerate(arms)}
    ranked = sorted(weights.items(), key=lambda one: (order.get(one[0], len(order)), one[0]))
    return ", ".join(f"{arm} {words.percent(float(share))}" for arm, share in ranked)


def _evidence(evidence: dict[str, Any]) -> str:
    """Sentences where the gate wrote them, else its figures."""
    if not evidence:
        return words.BLANK
    told = evidence.get("sentence") or evidence.get("reasons")
    if told:
        return told if isinstance(told, str) else " ".join(map(str, told))
    return ", ".join(f"{name.replace('_', ' ')} {_figure(value)}" for name, value in evidence.items())


def _figure(value: Any) -> str:
    return words.number(value) if isinstance(value, int | float) and not isinstance(value, bool) else _json(value)


def _json(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False) if value else words.BLANK


def _at(when: datetime | None, otherwise: str = words.BLANK) -> str:
    return f"{when:%-d %b %Y, %H:%M} UTC" if when else otherwise
