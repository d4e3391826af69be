"""The unit export against the rows of the lake, and against the look that it stands behind."""

import csv
import io
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from experiments import analysis, exports, tidy
from experiments.models import Arm, Experiment, ExperimentMetric, Look, MetricRole, Status
from firstlight.catalog.models import Scenario
from firstlight.exports import columns, formats
from firstlight.exports.formats import Format
from firstlight.exports.sources import Asked, Refused, checked
from firstlight.lake import table
from firstlight.metrics.models import Metric
from tests.firstlight.metrics import reference

pytestmark = pytest.mark.django_db
START = datetime(2026, 11, 2, tzinfo=UTC)
DAY = timedelta(days=1)


def event(kind: str, unit: str, after: timedelta, **more: Any) -> dict[str, Any]:
    return {"type": kind, "user_id": unit, "at": (START + after).replace(tzinfo=None), "scenario": "home", **more}


def exposure(unit: str, arm: str, after: timedelta) -> dict[str, Any]:
    return event("exposure", unit, after, experiment="ranker", variant=arm, phase=1, properties='{"country": "IN"}')


@pytest.fixture
def bought(settings: Any, tmp_path: Path) -> dict[str, tuple[str, int, int, int]]:
    """unit: (arm, orders after, orders before, clicks); one unit met both arms; and a look at all of it."""
    settings.LAKE_URL = (tmp_path / "lake").as_uri()
    experiment = Experiment.objects.create(
        key="ranker", name="Ranker", status=Status.RUNNING, started_at=START, planned_days=7, slices=["country"]
    )
    experiment.scenarios.add(Scenario.objects.create(key="home", name="Home"))
    for position, key in enumerate(("old", "new")):
        Arm.objects.create(experiment=experiment, key=key, position=position, weight=Decimal("0.5"))
    for key, role in (("orders_per_unit", MetricRole.PRIMARY), ("click_rate", MetricRole.SECONDARY)):
        ExperimentMetric.objects.create(experiment=experiment, metric=Metric.objects.get(key=key), role=role)
    rng = np.random.default_rng(11)
    told, rows = {}, []
    for i in range(400):
        unit, arm = f"=u{i}", ("old", "new")[i % 2]
        after, before, clicks = int(rng.poisson(1.2)), int(rng.poisson(1.0)), int(rng.integers(0, 4))
        told[unit] = (arm, after, before, clicks)
        rows += [exposure(unit, arm, (i % 5) * DAY), *[event("order", unit, 6 * DAY)] * after]
        rows += [*[event("order", unit, -DAY)] * before, *[event("click", unit, 6 * DAY)] * clicks]
        rows += [event("impression", unit, 6 * DAY)] * 3
    rows += [exposure("both", "old", DAY), exposure("both", "new", DAY)]
    table.append(1, reference.table(rows))
    analysis.look(experiment.pk, at=START + 8 * DAY)
    return told


def exported(**wanted: Any) -> list[dict[str, Any]]:
    asked = Asked(**{"experiment": "ranker", **wanted})
    source = checked("units", asked)
    found = source.read(asked)
    rows: list[dict[str, Any]] = pa.Table.from_batches(found.batches, columns.schema(source.columns(asked))).to_pylist()
    assert len(rows) == found.total
    return rows


def test_every_unit_is_there_with_what_it_did(bought: Any) -> None:
    rows = {row["unit"]: row for row in exported()}
    assert set(rows) == {*bought, "both"}
    assert rows["both"]["arm"] is None
    for unit, (arm, after, before, clicks) in bought.items():
        row = rows[unit]
        assert (row["arm"], row["phase"], row["country"]) == (arm, 1, "IN")
        assert (row["orders_per_unit"], row["orders_per_unit.pre_value"]) == (after, before)
        assert (row["click_rate"], row["click_rate.denominator"]) == (clicks, 3)
        assert row["visitor"] == ("returning" if before else "new")
        assert row["day"] == row["exposed_at"].date()


def test_its_means_are_those_of_the_look(bought: Any) -> None:
    rows, look = exported(), Look.objects.get()
    for metric in look.results["metrics"]:
        for arm in metric["arms"]:
            mine = [row for row in rows if row["arm"] == arm["arm"]]
            total = sum(row[metric["metric"]] for row in mine)
            per = sum(row.get(f"{metric['metric']}.denominator", 1) for row in mine)
            assert (len(mine), total / per) == (arm["units"], pytest.approx(arm["mean"], rel=1e-12))


def test_an_older_look_is_what_it_was_whatever_came_later(bought: Any) -> None:
    before = exported()
    table.append(2, reference.table([{"batch": 2, **event("order", "=u1", 6 * DAY)}]))
    analysis.look(Experiment.objects.get().pk, at=START + 9 * DAY)
    key = "unit"
    assert sorted(exported(look=1), key=lambda row: row[key]) == sorted(before, key=lambda row: row[key])
    newest = {row["unit"]: row["orders_per_unit"] for row in exported()}
    assert newest["=u1"] == bought["=u1"][1] + 1


def test_pseudonyms_hide_who_and_change_nothing_else(bought: Any) -> None:
    plain, hidden = exported(), exported(pseudonyms=True)
    assert not {row["unit"] for row in plain} & {row["unit"] for row in hidden}
    assert len({row["unit"] for row in hidden}) == len(plain)

    def without(rows: list[dict[str, Any]]) -> Counter[str]:
        return Counter(str(sorted((k, str(v)) for k, v in row.items() if k != "unit")) for row in rows)

    assert without(plain) == without(hidden)


def test_a_user_id_that_looks_like_a_formula_is_disarmed_in_csv(bought: Any) -> None:
    asked = Asked(experiment="ranker")
    source = checked("units", asked)
    chunks = formats.stream(Format.CSV, columns.schema(source.columns(asked)), source.read(asked).batches)
    names = {row["unit"] for row in csv.DictReader(io.StringIO(b"".join(chunks).decode()))}
    assert "'=u1" in names


@pytest.mark.parametrize(
    ("wanted", "field"),
    [({"look": 9}, "look"), ({"experiment": "nobody"}, "experiment"), ({"scenarios": ("search",)}, "experiment"),
     ({"segment": "country"}, "segment")],
)  # fmt: skip
def test_what_is_not_there_is_refused(bought: Any, wanted: dict[str, Any], field: str) -> None:
    with pytest.raises(Refused) as refusal:
        exported(**wanted)
    assert refusal.value.field == field


def test_before_the_first_look_there_is_nothing_to_export(bought: Any) -> None:
    Experiment.objects.create(key="draft", name="Draft")
    with pytest.raises(Refused, match="no look"):
        exports.check_look(Asked(experiment="draft"))


def test_the_dictionary_has_every_column_of_results() -> None:
    page = (Path(__file__).parents[2] / "docs" / "exports.md").read_text().split("## Columns of `results`")[1]
    named = set(re.findall(r"`([a-z0-9_*]+)`", page.split("\n## ")[0]))
    starts = tuple(name[:-1] for name in named if name.endswith("_*"))
    plain = {column.name.removesuffix("_low").removesuffix("_high") for column in tidy.COLUMNS}
    known = named | {name for name in plain if name.startswith(starts)} | {"bayes"}
    assert starts
    assert plain - known == set()


def test_an_arm_that_was_removed_since_is_still_in_the_export_of_its_look(bought: Any) -> None:
    before = exported()
    Arm.objects.filter(key="new").delete()
    Experiment.objects.update(phase=2)
    key = "unit"
    assert sorted(exported(), key=lambda row: row[key]) == sorted(before, key=lambda row: row[key])
