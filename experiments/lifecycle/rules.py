"""What keeps an experiment from starting. Asks the database alone, so a start can ask under its lock."""

from collections.abc import Iterable, Iterator

from experiments.health import SPLIT
from experiments.lifecycle import claims, faults, overlaps
from experiments.lifecycle.items import REVIEW, Item, State
from experiments.models import Experiment, Status, Type
from firstlight.console import words


def failures(experiment: Experiment) -> list[str]:
    """In words; none when it may start."""
    return [item.sentence for item in items(experiment) if item.state is State.FAIL]


def items(experiment: Experiment) -> list[Item]:
    missing = [Item(REVIEW, State.FAIL, sentence) for sentence in misses_review(experiment)]
    return [*missing, *_of_plan(experiment)]


def _of_plan(experiment: Experiment) -> list[Item]:
    """Its own faults first and alone, for neighbours of half a plan mean nothing."""
    wrong = list(faults.of(experiment))
    plan = _judged("plan", wrong, "The plan is complete.")
    if wrong:
        return [plan]
    crossing = [*overlaps.faults(experiment), *claims.faults(experiment)]
    return [plan, _judged("overlap", crossing, _beside(experiment)), _same_arms(experiment)]


def _judged(key: str, wrong: Iterable[str], otherwise: str) -> Item:
    said = " ".join(wrong)
    return Item(key, State.FAIL, said) if said else Item(key, State.OK, otherwise)


def _beside(experiment: Experiment) -> str:
    here = set(experiment.scenarios.values_list("pk", flat=True))
    beside = [one for one in overlaps.rivals(experiment) if here & {scenario.pk for scenario in one.scenarios.all()}]
    layers = overlaps.layers_of(experiment)
    apart = sum(bool(layers & overlaps.layers_of(one)) for one in beside)
    if not beside:
        return "Nothing else runs in its scenarios."
    among = f"{words.plural(len(beside) - apart, 'experiment')} beside it at random"
    return f"In its scenarios run {among}, and {apart} in its own layers, which keep them apart."


def _same_arms(experiment: Experiment) -> Item:
    """How the last A/A test in one of its scenarios was split."""
    key, scenarios = "same_arms", experiment.scenarios.all()
    tests = Experiment.objects.filter(type=Type.AA, scenarios__in=scenarios, looks__isnull=False)
    last = tests.exclude(pk=experiment.pk).order_by("-started_at").first()
    if last is None:
        return Item(key, State.WARN, "No A/A test has run in its scenarios: one shows if units are split as planned.")
    health = last.looks.order_by("-number")[0].results["health"]
    failed = [one["sentence"] for one in health if one["check"] in SPLIT and one["passed"] is False]
    if not failed:
        return Item(key, State.OK, f"The last A/A test, “{last.key}”, was split as planned.")
    state = State.WARN if experiment.type == Type.AA else State.FAIL  # another one is how a repair is proven
    found = f"The last A/A test, “{last.key}”, was not split as planned: {failed[0]}"
    return Item(key, state, f"{found} Find the cause and let a new A/A test pass first.")


def asks_for_review(experiment: Experiment) -> list[str]:
    """Names of its scenarios that do."""
    return list(experiment.scenarios.filter(review_required=True).order_by("key").values_list("name", flat=True))


def misses_review(experiment: Experiment) -> Iterator[str]:
    """Why it may not start yet, if it may not."""
    if experiment.reviewed_by and experiment.status != Status.DRAFT:
        return
    if experiment.status == Status.IN_REVIEW:
        yield "Its review is not done: somebody approves it, or returns it to draft."
    elif asking := asks_for_review(experiment):
        yield f"“{asking[0]}” asks for a review before the start: submit it."
