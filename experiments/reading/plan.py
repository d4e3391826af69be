"""What was planned before the start, as the reading takes it. Pure values; `of` reads them off the models."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from experiments.verdict import Question
from firstlight.kernel.windows import Window
from firstlight.metrics.definitions import Definition

if TYPE_CHECKING:
    from experiments.models import Arm, Experiment, ExperimentMetric

LEAST_DAYS = 7  # before which nothing ships: each day of the week is seen once
QUESTIONS = {"aa": Question.SAME, "holdout": Question.WORTH}


@dataclass(frozen=True, slots=True)
class PlannedArm:
    key: str
    name: str
    weight: float  # share of the units, in the phase in force

    @classmethod
    def of(cls, arm: "Arm", weights: dict[str, float]) -> "PlannedArm":
        return cls(arm.key, arm.name or arm.key, float(weights.get(arm.key, arm.weight)))


@dataclass(frozen=True, slots=True)
class PlannedMetric:
    key: str
    name: str
    role: str  # primary, secondary or guardrail
    kind: str  # proportion, mean, ratio, quantile, retention or funnel
    direction: str  # increase or decrease: what is wanted
    objective: str
    margin: float  # of a guardrail, as a share of the control

    @classmethod
    def of(cls, one: "ExperimentMetric", pinned: Definition) -> "PlannedMetric":
        return cls(
            pinned.key, one.metric.name, one.role, pinned.kind, pinned.direction, pinned.objective, float(one.margin)
        )

    @property
    def sign(self) -> int:
        return 1 if self.direction == "increase" else -1


@dataclass(frozen=True, slots=True)
class Plan:
    arms: tuple[PlannedArm, ...]  # control first
    metrics: tuple[PlannedMetric, ...]
    confidence: float
    started_at: datetime
    planned_days: int
    unit: str  # column of the event table
    window: Window  # of exposures that were read
    stopped_at: datetime | None = None
    type: str = "ab"
    analysis: str = "group_sequential"
    spending: str = "obrien_fleming"
    correction: str = "holm"
    prior: str = "history"
    prior_mean: float = 0.0  # of an own prior, on the lift
    prior_sd: float = 0.05  # likewise
    cuped: bool = True
    planned_units: int | None = None  # of all arms; None: what the days bring
    phase: int = 1
    phase_started_at: datetime | None = None  # None: with the experiment
    cluster: str = ""
    shipped_arm: str = ""  # shipped, with units held back to watch the long run
    settled_at: datetime | None = None  # the look that was the plan's last; what came later is not counted

    @classmethod
    def of(
        cls,
        experiment: "Experiment",
        window: Window,
        definitions: Sequence[Definition],
        settled_at: datetime | None = None,
    ) -> "Plan":
        """Of a started one, as it stands in the database; shares of units are those of the phase in force."""
        assert experiment.started_at is not None
        phase = experiment.phases.filter(number=experiment.phase).first()
        pinned = {one.key: one for one in definitions}
        measured = experiment.measured.select_related("metric").order_by("pk")
        is_watched = experiment.decision == "shipped" and experiment.holdback > 0
        return cls(
            arms=_held_back(experiment) if is_watched else _arms(experiment, phase.weights if phase else {}),
            metrics=tuple(PlannedMetric.of(one, pinned[one.metric.key]) for one in measured),
            confidence=float(experiment.confidence),
            started_at=experiment.started_at,
            planned_days=experiment.planned_days,
            unit=experiment.unit,
            window=window,
            stopped_at=None if is_watched else experiment.stopped_at,
            type=experiment.type,
            analysis="always_valid" if is_watched else experiment.analysis,  # the planned looks are over
            spending=experiment.spending,
            correction=experiment.correction,
            prior=experiment.prior,
            prior_mean=experiment.prior_mean,
            prior_sd=experiment.prior_sd,
            cuped=experiment.cuped,
            planned_units=None if is_watched else experiment.planned_units,
            phase=experiment.phase,
            phase_started_at=phase.started_at if phase else None,
            cluster=experiment.cluster,
            shipped_arm=experiment.shipped_arm if is_watched else "",
            settled_at=settled_at,
        )

    @property
    def control(self) -> PlannedArm:
        return self.arms[0]

    @property
    def treatments(self) -> tuple[PlannedArm, ...]:
        return self.arms[1:]

    @property
    def goals(self) -> tuple[PlannedMetric, ...]:
        return tuple(metric for metric in self.metrics if metric.role == "primary")

    @property
    def n_goals(self) -> int:
        """Comparisons that decide, at least 1."""
        return max(1, len(self.goals) * len(self.treatments))

    @property
    def alpha(self) -> float:
        return 1 - self.confidence

    @property
    def is_sequential(self) -> bool:
        return self.analysis != "fixed"

    @property
    def question(self) -> Question:
        return Question.LASTING if self.shipped_arm else QUESTIONS.get(self.type, Question.BETTER)

    @property
    def ends_at(self) -> datetime:
        """As planned, not as it came."""
        return self.started_at + timedelta(days=self.planned_days)

    @property
    def least_days(self) -> int:
        """Run time before which nothing ships."""
        return min(LEAST_DAYS, self.planned_days)

    def expects_units_until(self, at: datetime) -> datetime:
        """Nobody expects new units after the planned end or the stop, but of who is held back."""
        return at if self.shipped_arm else min(at, self.ends_at, self.stopped_at or at)

    def days(self, at: datetime) -> float:
        """Run by then, or by the stop."""
        return (min(at, self.stopped_at or at) - self.started_at) / timedelta(days=1)

    def information(self, at: datetime, units: int) -> float:
        """Share of what the plan shall bring that has come by then: of its time, and of its units where it names them.

        The lesser of the two, for a plan is over when both have come; over 1 past it. By time the earlier looks weigh
        less than their units do as a rule, for most units come early; the bounds err to the safe side then, for
        statistics are more alike than they take them to be.
        """
        begun = self.phase_started_at or self.started_at
        span = max(self.ends_at - begun, timedelta(days=1))
        of_time = (min(at, self.stopped_at or at) - begun) / span
        return min(of_time, units / self.planned_units) if self.planned_units else of_time


def _arms(experiment: "Experiment", weights: dict[str, float]) -> tuple[PlannedArm, ...]:
    return tuple(PlannedArm.of(arm, weights) for arm in experiment.arms.order_by("position"))


def _held_back(experiment: "Experiment") -> tuple[PlannedArm, ...]:
    """The control for the share that is held back, and what was shipped for everybody else."""
    back, arms = float(experiment.holdback), list(experiment.arms.order_by("position"))
    shipped = next(arm for arm in arms if arm.key == experiment.shipped_arm)
    return PlannedArm.of(arms[0], {arms[0].key: back}), PlannedArm.of(shipped, {shipped.key: 1 - back})
