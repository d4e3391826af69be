"""What one experiment asks of the lake: whose events, of which metrics, from when to when."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from math import ceil, prod

import pyarrow as pa

from experiments.models import BUCKETS, Analysis, Decision, Experiment, Look, Type
from firstlight.catalog.models import Item
from firstlight.console import words
from firstlight.kernel.windows import Window
from firstlight.metrics import rates, versions
from firstlight.metrics.definitions import Definition
from firstlight.metrics.read import Exposures, Slice

MOST_AGES = 28  # days since exposure that are read one by one
OF_EVENTS = frozenset({"category", "recall_source"})  # slices in which a unit may be in several segments


class UnableToLook(Exception):
    """Why there is nothing to analyse, in words for the PM."""


def definitions_of(experiment: Experiment) -> list[Definition]:
    """As they were pinned at the start; what is not pinned, as it stands."""
    measured = experiment.measured.select_related("metric").order_by("pk")
    return list(versions.definitions({one.pk: (one.metric, one.version) for one in measured}).values())


def exposures_of(experiment: Experiment, definitions: Sequence[Definition], *, at: datetime) -> Exposures:
    """Of a stopped experiment nobody is exposed any more, but what was begun may be finished. Raises `UnableToLook`."""
    window = _window(experiment, at)
    until = max(min(at, closes_at(experiment, definitions) or at), window.start)
    return Exposures(
        experiment=experiment.key,
        phase=experiment.phase,
        unit=experiment.unit,
        arms=_arms(experiment),
        scenarios=tuple(experiment.scenarios.order_by("key").values_list("key", flat=True)),
        window=window,
        until=until,
        pre_days=experiment.pre_days,
        slices=tuple(Slice(key, "event" if key in OF_EVENTS else "unit", key) for key in experiment.slices),
        ages=min(MOST_AGES, ceil((until - window.start) / timedelta(days=1))),
        rates=_rates(definitions, window.start - timedelta(days=experiment.pre_days), until),
        categories=_categories() if "category" in experiment.slices or _asks_categories(definitions) else None,
        dealt_in=experiment.dealt_in if _meets_units_again(experiment) else None,
        phase_began=_began(experiment, experiment.phase),
        testers=tuple(sorted(experiment.testers)),
    )


def definitions_at(look: Look) -> list[Definition]:
    """As that look kept them."""
    kept = look.results.get("definitions")
    if kept is None:  # of the first release
        return definitions_of(look.experiment)
    keys = [metric["metric"] for metric in look.results["metrics"]]
    return [Definition.read(key, kept[key]["version"], kept[key]) for key in keys]


def exposures_at(look: Look, definitions: Sequence[Definition]) -> Exposures:
    """As that look had them, whatever became of the experiment since: its arms may be less, its phase another."""
    told, now = look.results, exposures_of(look.experiment, definitions, at=look.until)
    window = Window(*(datetime.fromisoformat(told["window"][end]) for end in ("start", "end")))
    phase = told.get("basis", {}).get("phase", now.phase)
    return replace(
        now,
        phase=phase,
        dealt_in=told.get("dealt_in"),
        phase_began=_began(look.experiment, phase),
        arms=tuple(arm["key"] for arm in told["arms"]),
        window=window,
        until=look.until,
        rates=_rates(definitions, window.start - timedelta(days=now.pre_days), look.until),
    )


def closes_at(experiment: Experiment, definitions: Sequence[Definition]) -> datetime | None:
    """When the last unit has had its whole time; None while units still join."""
    if is_watched(experiment) or (end := _ends(experiment)) is None:
        return None
    hours = max(((one.window_hours or 0) + one.maturity_hours for one in definitions), default=0)
    return end + timedelta(hours=hours)


def settled_at(experiment: Experiment) -> datetime | None:
    """The end of the look that was the last of a plan, which spent all there was to spend; None while there is more.

    Who went on to look at later units by the same bound would have more false alarms than was promised: 10.7 % after
    as many days again. An always-valid plan has no last look.
    """
    last = experiment.looks.order_by("-number").first()
    if experiment.analysis == Analysis.ALWAYS_VALID or is_watched(experiment) or last is None:
        return None
    if last.results.get("basis", {}).get("phase") != experiment.phase:
        return None
    over = [step["number"] for step in last.results.get("sequence", ()) if step["information"] >= 1]
    return experiment.looks.get(number=min(over)).until if over else None


def _ends(experiment: Experiment) -> datetime | None:
    """Of exposures that count: by the stop, or by the end of the plan."""
    return min((at for at in (experiment.stopped_at, settled_at(experiment)) if at), default=None)


def is_watched(experiment: Experiment) -> bool:
    """Shipped, with some units held back in the control to see the long run."""
    return experiment.decision == Decision.SHIPPED and experiment.holdback > 0


def is_open(experiment: Experiment) -> bool:
    """Whether units still join, or it was last looked at before all had had their whole time."""
    last, end = experiment.looks.first(), closes_at(experiment, definitions_of(experiment))
    return end is None or last is None or last.until < end


def covered(experiment: Experiment) -> float:
    """Share of all units that it lets in, by its coverage and its buckets of every layer."""
    shares = [(experiment.first_bucket, experiment.end_bucket)] if experiment.layer_id else []
    shares += experiment.further_layers.values_list("first_bucket", "end_bucket")
    return 1.0 if is_watched(experiment) else float(experiment.coverage) * prod((e - f) / BUCKETS for f, e in shares)


def _meets_units_again(experiment: Experiment) -> bool:
    """Whether a unit that met an arm in an earlier phase may be in this one: of windows and lists none is."""
    return experiment.type in (Type.AB, Type.AA) and not is_watched(experiment)


def _began(experiment: Experiment, phase: int) -> datetime | None:
    return experiment.phases.filter(number=phase).values_list("started_at", flat=True).first()


def _window(experiment: Experiment, at: datetime) -> Window:
    """Of exposures that count. Who is held back is compared from the decision on: before it the shares were others."""
    if experiment.started_at is None:
        raise UnableToLook(f"“{experiment.key}” has not started yet.")
    if is_watched(experiment) and experiment.decided_at is not None:
        return Window(experiment.decided_at, max(at, experiment.decided_at))
    end = min(at, _ends(experiment) or at)
    return Window(experiment.started_at, max(end, experiment.started_at))


def _arms(experiment: Experiment) -> tuple[str, ...]:
    keys = tuple(experiment.arms.order_by("position").values_list("key", flat=True))
    return (keys[0], experiment.shipped_arm) if is_watched(experiment) else keys


def _rates(definitions: Sequence[Definition], since: datetime, until: datetime) -> pa.Table | None:
    """Into the one currency that the metrics name; None when none does."""
    wanted = {one.currency for one in definitions if one.currency}
    if len(wanted) > 1:
        raise UnableToLook(f"Its metrics are in {words.listing(sorted(wanted))}: put them into one currency.")
    return rates.stored().table(wanted.pop(), since.date(), until.date()) if wanted else None


def _asks_categories(definitions: Sequence[Definition]) -> bool:
    return any(source.field == "category" for one in definitions for source in one.sources)


def _categories() -> pa.Table:
    rows = Item.objects.filter(category__isnull=False).values_list("key", "category__key")
    items, categories = zip(*rows.iterator(), strict=True) if rows.exists() else ((), ())
    return pa.table({"item_id": pa.array(items, pa.string()), "category": pa.array(categories, pa.string())})
