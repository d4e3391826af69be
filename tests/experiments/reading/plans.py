"""A plan of two arms, as the tests of the reading vary it."""

from datetime import UTC, datetime, timedelta

from experiments.reading import Plan, PlannedArm, PlannedMetric
from firstlight.kernel.windows import Window

START = datetime(2026, 11, 1, tzinfo=UTC)
VALUE = PlannedMetric("value", "Value", "primary", "mean", "increase", "platform", 0.02)
CLICKED = PlannedMetric("clicked", "Clicked", "secondary", "proportion", "increase", "user", 0.02)
RATE = PlannedMetric("rate", "Click rate", "secondary", "ratio", "increase", "user", 0.02)
PLAN = Plan(
    arms=(PlannedArm("control", "Control", 0.5), PlannedArm("new", "New", 0.5)),
    metrics=(VALUE, CLICKED, RATE),
    confidence=0.95,
    started_at=START,
    planned_days=14,
    unit="user_id",
    window=Window(START, START + timedelta(days=14)),
)
