from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from firstlight.metrics import versions
from firstlight.metrics.definitions import Definition, Filter, Source
from firstlight.metrics.models import Metric, MetricVersion


def made(**values: object) -> Metric:
    return Metric.objects.create(**{"key": "m", "name": "M", "kind": "mean", "numerator_event": "click"} | values)


def keep(metric: Metric, *, may_certify: bool = False) -> int:
    return versions.keep(metric, by="ada", at=timezone.now(), may_certify=may_certify)


@pytest.mark.django_db
def test_only_another_definition_is_another_version() -> None:
    metric = made()
    assert (keep(metric), keep(metric)) == (1, 1)
    metric.name, metric.description = "Clicks", "How often."
    metric.save()
    assert keep(metric) == 1
    metric.window_hours = 24
    metric.save()
    assert (keep(metric), metric.version, Metric.objects.get(key="m").version) == (2, 2, 2)
    metric.window_hours = None
    metric.save()
    assert keep(metric) == 3  # what was once in force and is again is still a change


@pytest.mark.django_db
def test_what_was_pinned_stays_when_the_metric_changes() -> None:
    metric = made(numerator_filter=[{"field": "position", "op": "in", "value": [1, 2]}])
    pinned, before = versions.pin(metric), Definition.of(metric)
    Metric.objects.filter(pk=metric.pk).update(numerator_filter=[], window_hours=6)
    metric.refresh_from_db()
    assert versions.definition(metric, pinned) == before
    assert versions.definition(metric, None).window_hours == 6
    assert versions.pin(metric) == 2  # nobody kept the change: the next start does
    found = versions.definitions({7: (metric, 1), 8: (metric, None), 9: (metric, 2)})
    assert found[7] == before
    assert found[8] == found[9] == Definition.of(metric)


@pytest.mark.django_db
def test_many_definitions_take_one_query(django_assert_num_queries: object) -> None:
    metrics = [made(key=f"m{i}") for i in range(5)]
    pinned = {i: (metric, versions.pin(metric)) for i, metric in enumerate(metrics)}
    with django_assert_num_queries(1):  # type: ignore[operator]
        assert len(versions.definitions(pinned)) == 5


@pytest.mark.django_db
def test_a_badge_is_lost_with_the_definition_it_was_given_to() -> None:
    metric = made(certified=True)
    keep(metric)
    assert metric.certified
    metric.window_hours = 24
    metric.save()
    keep(metric, may_certify=True)
    assert metric.certified
    metric.window_hours = 48
    metric.save()
    keep(metric)
    assert not metric.certified
    assert not Metric.objects.get(key="m").certified


@pytest.mark.django_db
@pytest.mark.parametrize("spoil", ["update", "delete"])
def test_the_database_keeps_every_version(spoil: str) -> None:
    metric = made()
    keep(metric)
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        rows = MetricVersion.objects.filter(metric=metric)
        rows.update(at=timezone.now() - timedelta(days=1)) if spoil == "update" else rows._raw_delete(rows.db)


@pytest.mark.django_db
def test_every_standard_metric_has_its_first_version() -> None:
    standard = list(Metric.objects.prefetch_related("versions"))
    assert len(standard) >= 18
    for metric in standard:
        (first,) = metric.versions.all()
        assert Definition.read(metric.key, 1, first.definition) == Definition.of(metric)
        assert keep(metric) == 1


FILTERS = st.lists(
    st.builds(Filter, st.just("position"), st.just("le"), st.integers(0, 9))
    | st.builds(Filter, st.just("ranker"), st.just("in"), st.lists(st.text("ab", min_size=1), min_size=1).map(tuple))
).map(tuple)
COUNTED = st.builds(
    Source, st.sampled_from(["click", "order", "x.shared"]), st.sampled_from(["count", "value"]), FILTERS
)
DEFINITIONS = st.builds(
    Definition,
    key=st.just("m"),
    kind=st.sampled_from(["mean", "proportion", "retention"]),
    numerator=COUNTED,
    denominator=st.none() | COUNTED,
    steps=st.lists(COUNTED, max_size=3).map(tuple),
    window_hours=st.none() | st.integers(1, 999),
    cap_value=st.none() | st.floats(0.1, 1e9),
    quantile=st.none() | st.floats(0.01, 0.99),
    version=st.integers(1, 9),
)


@given(DEFINITIONS)
def test_a_definition_comes_back_from_json_as_it_was(one: Definition) -> None:
    assert Definition.read(one.key, one.version, one.stored()) == one


@pytest.mark.django_db
def test_a_release_that_stores_more_or_less_of_a_definition_makes_no_new_version() -> None:
    metric = made(window_hours=24)
    kept = {name: value for name, value in Definition.of(metric).stored().items() if name != "cap_share"}
    metric.versions.create(number=1, definition=kept | {"gone": 14}, changed_by="ada", at=timezone.now())
    assert keep(metric) == 1
    metric.cap_share = 0.99
    metric.save()
    assert keep(metric) == 2


def test_a_definition_of_an_earlier_release_has_the_defaults_of_what_it_does_not_name() -> None:
    stored = {"kind": "mean", "numerator": {"event": "click", "adds": "count", "filters": []}, "window_hours": 24}
    found = Definition.read("m", 3, stored)
    assert found == Definition("m", "mean", Source("click", "count"), window_hours=24, version=3)
