"""What should be in order before a start: computed, never ticked. Only what fails keeps it from starting."""

from datetime import datetime
from typing import Any

from experiments.lifecycle import prospects, rules
from experiments.lifecycle.items import Item, State
from experiments.models import Experiment, MetricRole
from firstlight.console import words

__all__ = ["Item", "State", "of", "stored"]


def of(experiment: Experiment, at: datetime) -> list[Item]:
    """The whole list. Reads the lake, so it is asked outside of any lock."""
    advice = [_guardrails(experiment), _hypothesis(experiment)]
    return [*rules.items(experiment), *advice, *prospects.items(experiment, at)]


def stored(items: list[Item]) -> list[dict[str, Any]]:
    """As the trail and the API hold it."""
    return [{"key": item.key, "state": item.state.value, "sentence": item.sentence} for item in items]


def _guardrails(experiment: Experiment) -> Item:
    n = experiment.measured.filter(role=MetricRole.GUARDRAIL).count()
    if n == 0:
        return Item("guardrails", State.WARN, "No guardrail is chosen: nothing would stop a ramp that does harm.")
    return Item("guardrails", State.OK, f"{words.plural(n, 'guardrail')} must not get worse.")


def _hypothesis(experiment: Experiment) -> Item:
    if not experiment.hypothesis.strip():
        return Item("hypothesis", State.WARN, "No hypothesis is written: say what should change, for whom, and why.")
    return Item("hypothesis", State.OK, "The hypothesis is written.")
