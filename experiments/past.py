"""Past tests: what was tried, what won, what all that was shipped adds up to. A look is read as it was stored."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import hypot
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse

from experiments.lifecycle.ending import SHIPS_NOTHING
from experiments.models import Decision, Experiment, Look, Status
from firstlight.console import charts, words
from firstlight.console.pictures import Picture, exported

OVER = [Status.STOPPED, Status.DECIDED, Status.ARCHIVED]
MOST = 500  # newest tests of one page; the totals are of these
TONES = {Decision.SHIPPED: "better", Decision.REJECTED: "worse", Decision.INCONCLUSIVE: "neutral"}


@dataclass(frozen=True, slots=True)
class Effect:
    """A goal in one arm: observed, and shrunken for having been chosen. Fractions; None where a look kept none."""

    metric: str
    name: str
    arm: str
    more_is_better: bool
    lift: Mapping[str, float] | None
    shrunken: Mapping[str, float] | None


@dataclass(frozen=True, slots=True)
class Test:
    experiment: Experiment
    address: str
    tone: str
    verdict: str
    effects: tuple[Effect, ...]  # of its goals; of a shipped test only of the arm that was shipped
    parameters: tuple[str, ...]

    @property
    def decision(self) -> str:
        return self.experiment.get_decision_display() if self.experiment.decision else "not decided"


@dataclass(frozen=True, slots=True)
class Total:
    """All shipped effects on one metric, added up. Fractions."""

    name: str
    more_is_better: bool
    n: int
    observed: float
    value: float
    low: float
    high: float


def page(request: HttpRequest) -> HttpResponse:
    _may_see(request)
    asked, parameter = request.GET.get("q", "").strip()[:200], request.GET.get("parameter", "").strip()[:100]
    tests = found(asked, parameter)
    context = {
        **admin.site.each_context(request),
        "title": "Past tests",
        "opts": Experiment._meta,
        "sentence": sentence(tests),
        "asked": asked,
        "parameter": parameter,
        "tests": tests,
        "parameters": sorted({name for test in tests for name in test.parameters}),
        "pictures": pictures(tests),
        "export": reverse("admin:experiments_experiment_past"),
        "query": f"?{request.GET.urlencode()}",
    }
    return TemplateResponse(request, "experiments/past.html", context)


def export(request: HttpRequest, picture: str, form: str) -> HttpResponse:
    _may_see(request)
    tests = found(request.GET.get("q", "").strip()[:200], request.GET.get("parameter", "").strip()[:100])
    return exported(pictures(tests), picture, form, name="past-tests")


def found(asked: str, parameter: str) -> list[Test]:
    """The newest `MOST` that are over and have these words in name, key, hypothesis, tags, note or parameters."""
    newest = Look.objects.filter(experiment=OuterRef("pk")).order_by("-number")
    rows = (
        Experiment.objects.filter(status__in=OVER, started_at__isnull=False)
        .select_related("owner")
        .prefetch_related("arms")
        .annotate(
            kept_metrics=Subquery(newest.values("results__metrics")[:1]),
            kept_verdict=Subquery(newest.values("verdict")[:1]),
        )
        .order_by("-stopped_at")
    )
    tests = [_test(row) for row in _matching(rows, asked)[:MOST]]
    return [test for test in tests if parameter in test.parameters] if parameter else tests


def _matching(rows: QuerySet[Experiment], asked: str) -> QuerySet[Experiment]:
    for word in asked.split():
        rows = rows.filter(
            Q(key__icontains=word)
            | Q(name__icontains=word)
            | Q(hypothesis__icontains=word)
            | Q(decision_note__icontains=word)
            | Q(tags__icontains=word)
            | Q(pk__in=Experiment.objects.filter(arms__parameters__has_key=word).values("pk"))
        )
    return rows


def _test(row: Any) -> Test:
    arms = list(row.arms.all())
    return Test(
        row,
        reverse("admin:experiments_experiment_results", args=[row.pk]),
        TONES.get(row.decision, "neutral"),
        row.kept_verdict or "never analysed",
        tuple(_effects(row.kept_metrics or [], row.shipped_arm)),
        tuple(sorted({name for arm in arms for name in arm.parameters})),
    )


def _effects(metrics: Iterable[Mapping[str, Any]], shipped: str) -> Iterable[Effect]:
    for metric in metrics:
        for estimate in metric["estimates"] if metric["role"] == "primary" else ():
            if shipped in ("", estimate["arm"]):
                lift, shrunken = (_interval(estimate.get(name)) for name in ("lift", "shrunken"))
                more = metric["direction"] == "increase"
                yield Effect(metric["metric"], metric["name"], estimate["arm"], more, lift, shrunken)


def _interval(found: Mapping[str, Any] | None) -> Mapping[str, float] | None:
    return found if found and "value" in found else None


def sentence(tests: Sequence[Test]) -> str:
    """How many won: the share of decided tests that shipped, of those that could."""
    decided = [t.experiment.decision for t in tests if t.experiment.decision and t.experiment.type not in SHIPS_NOTHING]
    if not tests:
        return "No test that is over matches."
    if not decided:
        return f"{words.plural(len(tests), 'test')} over, none decided yet."
    won = decided.count(Decision.SHIPPED)
    rate = words.percent(won / len(decided))
    return f"{won} of {words.plural(len(decided), 'decided test')} shipped, a win rate of {rate}."


def totals(tests: Iterable[Test]) -> list[Total]:
    """Per metric the sum of what was shipped, of tests whose looks kept a shrunken estimate.

    Tests are independent, so the half-widths add as squares.
    """
    kept: dict[str, list[Effect]] = {}
    for test in tests:
        if test.experiment.decision == Decision.SHIPPED:
            for effect in test.effects:
                if effect.lift and effect.shrunken:
                    kept.setdefault(effect.metric, []).append(effect)
    return sorted((_total(effects[0].name, effects) for effects in kept.values()), key=lambda one: one.name)


def _total(name: str, effects: Sequence[Effect]) -> Total:
    observed = sum(one.lift["value"] for one in effects if one.lift)
    shrunken = [one.shrunken for one in effects if one.shrunken]
    value = sum(one["value"] for one in shrunken)
    below = hypot(*(one["value"] - one["low"] for one in shrunken))
    above = hypot(*(one["high"] - one["value"] for one in shrunken))
    return Total(name, effects[0].more_is_better, len(effects), observed, value, value - below, value + above)


def pictures(tests: Sequence[Test]) -> list[Picture]:
    sums = totals(tests)
    if not sums:
        return []
    rows = [
        charts.Interval(f"{t.name} · {words.plural(t.n, 'test')}", _note(t), _tone(t), t.value, t.low, t.high)
        for t in sums
    ]
    table = [
        {"metric": t.name, "tests": t.n, "observed": t.observed, "corrected": t.value, "low": t.low, "high": t.high}
        for t in sums
    ]
    caption = (
        "What was shipped, added up, each effect shrunken towards what past tests found: what wins was chosen, so it "
        "looks larger than it is. The line is the 95 % interval, if the tests did not depend on each other."
    )
    return [
        Picture(
            "shipped", "Cumulative effect of all that was shipped", charts.intervals(rows, title="Lift"), table, caption
        )
    ]


def _note(total: Total) -> str:
    interval = words.lift_interval(total.low, total.high)
    return f"{words.lift(total.value)} ({interval}), observed {words.lift(total.observed)}"


def _tone(total: Total) -> str:
    if total.low <= 0 <= total.high:
        return "unsettled"
    return "better" if (total.value > 0) == total.more_is_better else "worse"


def _may_see(request: HttpRequest) -> None:
    if not request.user.has_perm("experiments.view_experiment"):
        raise PermissionDenied
