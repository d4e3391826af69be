"""Buckets of layers: held once, by who was first, also when two ask at the same moment."""

from threading import Barrier, Thread
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from experiments import lifecycle
from experiments.lifecycle import UnableToSchedule, UnableToStart, claims
from experiments.lifecycle.claims import Held
from experiments.models import Claim, Experiment, FurtherLayer, Layer, Status
from tests.experiments.plans import DAY, HOUR, NOON, draft, scenario

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _unpublished(settings: Any) -> None:
    settings.AFTER_CHANGE = "builtins.dict"


def layer(key: str = "ranking") -> Layer:
    return Layer.objects.get_or_create(key=key, defaults={"name": key.title()})[0]


def start(of: Experiment) -> Experiment:
    return lifecycle.start(of.pk, actor="pm", at=NOON)


def held() -> set[tuple[str, str, int, int]]:
    rows = Claim.objects.filter(released_at=None).select_related("layer", "experiment")
    return {(row.experiment.key, row.layer.key, row.first_bucket, row.end_bucket) for row in rows}


def test_a_scheduled_one_holds_its_buckets_and_its_start_takes_no_more() -> None:
    waiting = draft("waiting", layer=layer(), end_bucket=5000)
    lifecycle.schedule(waiting.pk, actor="pm", at=NOON, start_at=NOON + DAY)
    assert held() == {("waiting", "ranking", 0, 5000)}
    with pytest.raises(UnableToStart, match=r"0 to 10,000 .* held by “waiting” \(0 to 5,000\)"):
        start(draft("late", layer=layer()))
    with pytest.raises(UnableToSchedule, match="held by “waiting”"):
        late = Experiment.objects.get(key="late")
        lifecycle.schedule(late.pk, actor="pm", at=NOON, start_at=NOON + DAY)
    lifecycle.start(waiting.pk, actor="schedule", at=NOON + DAY)
    assert Claim.objects.count() == 1


def test_several_layers_are_claimed_together_or_not_at_all() -> None:
    start(draft("first", layer=layer("price"), first_bucket=9000))
    both = draft("both", layer=layer("ranking"), end_bucket=2000)
    further = FurtherLayer.objects.create(experiment=both, layer=layer("price"), first_bucket=8000, end_bucket=10_000)
    with pytest.raises(UnableToStart, match="8,000 to 10,000 of the layer “Price” are held by “first”"):
        start(both)
    assert held() == {("first", "price", 9000, 10_000)}
    FurtherLayer.objects.filter(pk=further.pk).update(end_bucket=9000)
    start(both)
    assert held() == {("first", "price", 9000, 10_000), ("both", "ranking", 0, 2000), ("both", "price", 8000, 9000)}


def test_paused_keeps_and_stopped_lets_go() -> None:
    one = start(draft("one", layer=layer()))
    lifecycle.pause(one.pk, actor="pm", at=NOON)
    with pytest.raises(UnableToStart, match="held by “one”"):
        start(draft("two", layer=layer()))
    lifecycle.stop(one.pk, actor="pm", at=NOON + HOUR)
    assert start(Experiment.objects.get(key="two")).status == Status.RUNNING
    kept = Claim.objects.get(experiment=one)
    assert (kept.claimed_at, kept.released_at) == (NOON, NOON + HOUR)


def test_what_was_released_may_be_held_again_and_what_is_held_may_not_says_the_database() -> None:
    one = start(draft("one", layer=layer()))
    span, other = Claim.objects.get().span, draft("two")
    row = {"experiment": other, "layer": layer(), "span": span, "claimed_at": NOON}
    with pytest.raises(IntegrityError, match="buckets_held_once"), transaction.atomic():
        Claim.objects.create(**row)
    Claim.objects.create(**row, released_at=NOON)
    claims.release(one, NOON)
    Claim.objects.create(**row)


@pytest.mark.parametrize("state", ["running", "paused", "scheduled"])
def test_a_parameter_is_set_by_one_of_those_that_share_no_layer(state: str) -> None:
    first = draft("first", parameters="model")
    if state == "scheduled":
        lifecycle.schedule(first.pk, actor="pm", at=NOON, start_at=NOON + DAY)
    else:
        start(first)
    if state == "paused":
        lifecycle.pause(first.pk, actor="pm", at=NOON)
    with pytest.raises(UnableToStart, match=r"“first” .* the same scenario and sets “model” too"):
        start(draft("rival", parameters="model"))
    start(draft("elsewhere", scenario("search"), parameters="model"))


def test_a_further_layer_in_common_keeps_two_apart() -> None:
    one = draft("one", layer=layer("ranking"), parameters="model")
    FurtherLayer.objects.create(experiment=one, layer=layer("price"), end_bucket=5000)
    start(one)
    two = draft("two", layer=layer("price"), first_bucket=5000, parameters="model")
    assert start(two).status == Status.RUNNING
    with pytest.raises(UnableToStart, match="splits the layer “Price” by user, so this one cannot split it by session"):
        start(draft("three", layer=layer("price"), first_bucket=5000, unit="session_id"))


def test_there_is_one_holdout_of_all_layers_in_a_scenario() -> None:
    start(draft("holdout", type="holdout", parameters="a"))
    with pytest.raises(UnableToStart, match="holdout of all layers already"):
        start(draft("second", type="holdout", parameters="b"))
    start(draft("of-a-layer", type="holdout", parameters="c", layer=layer()))


def test_the_map_tells_past_now_and_plans() -> None:
    old = start(draft("old", layer=layer(), end_bucket=4000))
    lifecycle.stop(old.pk, actor="pm", at=NOON + HOUR)
    lifecycle.start(draft("now", layer=layer(), end_bucket=3000).pk, actor="pm", at=NOON + DAY)
    waiting = draft("waiting", layer=layer(), first_bucket=3000, end_bucket=4000)
    lifecycle.schedule(waiting.pk, actor="pm", at=NOON + DAY, start_at=NOON + 2 * DAY)
    draft("plan", layer=layer(), first_bucket=5000, end_bucket=7000)
    further = draft("further")
    FurtherLayer.objects.create(experiment=further, layer=layer(), first_bucket=4000, end_bucket=5000)
    draft("template", layer=layer(), is_template=True)
    draft("elsewhere", layer=layer("price"))
    told = [(bar.experiment, bar.first, bar.end, bar.held, bar.since, bar.until) for bar in claims.holdings(layer())]
    assert told == [
        ("old", 0, 4000, Held.PAST, NOON, NOON + HOUR),
        ("now", 0, 3000, Held.NOW, NOON + DAY, None),
        ("waiting", 3000, 4000, Held.NOW, NOON + DAY, None),
        ("further", 4000, 5000, Held.PLANNED, None, None),
        ("plan", 5000, 7000, Held.PLANNED, None, None),
    ]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("in_a_layer", [True, False])
def test_of_two_that_start_at_the_same_moment_one_runs(in_a_layer: bool) -> None:
    """Over buckets, and over a parameter, which no constraint of the database sees."""
    place: dict[str, Any] = {"layer": layer()} if in_a_layer else {}
    rivals = [draft(key, parameters="model", **place) for key in ("one", "two")]
    barrier, refusals = Barrier(2), []

    def race(pk: int) -> None:
        try:
            barrier.wait(10)
            lifecycle.start(pk, actor="pm", at=NOON)
        except UnableToStart as refusal:
            refusals.append(str(refusal))
        finally:
            connection.close()

    threads = [Thread(target=race, args=(one.pk,)) for one in rivals]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(Experiment.objects.values_list("status", flat=True)) == ["draft", "running"]
    assert len(refusals) == 1 and ("held by" if in_a_layer else "sets “model” too") in refusals[0]
    assert Claim.objects.count() == (1 if in_a_layer else 0)
