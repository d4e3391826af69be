"""What a campaign gives away, against the rows that went in."""

import csv
import io
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

from bandits import exports
from bandits.models import Campaign, DrawTable, Outcome, Posterior
from bandits.policies import beliefs
from bandits.policies.beliefs import Beta
from firstlight.catalog.models import Scenario
from firstlight.exports import columns, formats
from firstlight.exports.formats import Format
from firstlight.exports.sources import Asked, Refused, checked
from tests.bandits.recount import Event, arrive

pytestmark = pytest.mark.django_db
AT = datetime(2026, 11, 10, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def new(settings: Any, tmp_path: Path) -> Campaign:
    settings.LAKE_URL = (tmp_path / "lake").as_uri()
    home = Scenario.objects.create(key="home", name="Home")
    return Campaign.objects.create(
        key="new", name="New", scenario=home, positions=[3, 8], segment_by="country", segments=["IN"]
    )


def exported(kind: str, **asked: Any) -> list[dict[str, Any]]:
    wanted = Asked(campaign="new", **asked)
    source = checked(kind, wanted)
    rows = list(source.read(wanted).batches)
    schema = columns.schema(source.columns(wanted))
    found: list[dict[str, Any]] = pa.Table.from_batches(rows, schema=schema).to_pylist()
    return found


def learned(campaign: Campaign, number: int, segment: str = "", *, at: datetime = AT) -> Posterior:
    trials, won = np.array([100.0, 50.0]) * number, np.array([3.0, 4.0]) * number
    held = {"impressions": trials + 1, "rewards": won, "ever": trials / 2}
    arrays = Beta(("a", "b"), 1 + won, 50 + trials - won).arrays()
    row = Posterior.objects.create(
        campaign=campaign, number=number, segment=segment, batch=number, prior_a=1, prior_b=50, items=["a", "b"],
        trials=trials.tolist(), successes=won.tolist(), arrays=beliefs.pack(arrays | held),
    )  # fmt: skip
    Posterior.objects.filter(pk=row.pk).update(computed_at=at)
    return row


def test_posteriors_have_a_row_for_each_item_segment_and_version(new: Campaign) -> None:
    for number in (1, 2):
        for segment in ("", "IN"):
            learned(new, number, segment, at=AT + number * HOUR)
    newest = exported("posteriors")
    assert [(row["version"], row["segment"], row["item"]) for row in newest] == [
        (2, segment, item) for segment in ("", "IN") for item in ("a", "b")
    ]
    assert len(exported("posteriors", start=AT, end=AT + DAY)) == 8
    assert {row["version"] for row in exported("posteriors", end=AT + 2 * HOUR)} == {1}
    first = newest[0]
    belief = stats.beta(1 + 6, 50 + 194)
    assert first["mean"] == pytest.approx(belief.mean())
    assert (first["low"], first["high"]) == pytest.approx(belief.interval(0.95))
    assert (first["impressions"], first["trials"], first["shown"]) == (201, 200, 100)


def test_outcomes_carry_the_evidence_they_stood_on_and_who_took_them_back(new: Campaign) -> None:
    evidence = {"posterior": 4, "chance": 0.93, "bar": 0.02, "because": "Better than the bar.", "impressions": 120.0}
    Outcome.objects.create(campaign=new, item="a", kind="graduated", decided_at=AT, evidence=evidence)
    Outcome.objects.create(
        campaign=new, item="b", kind="retired", decided_at=AT, evidence={}, reversed_at=AT + DAY, reason="A mistake."
    )
    good, poor = exported("outcomes")
    assert {name: good[name] for name in evidence} == evidence
    assert (good["outcome"], good["reversed_at"], good["reason"]) == ("graduated", None, None)
    assert (poor["reversed_at"], poor["reason"], poor["chance"]) == (AT + DAY, "A mistake.", None)


def slot(item: str, position: int, table: int, **more: Any) -> dict[str, Any]:
    given = {"campaign": "new", "row": 7, "propensity": 0.25, "source": "table", **more}
    return {"item_id": item, "position": position, "table": table, **given}


@pytest.fixture
def shown(new: Campaign) -> tuple[int, int]:
    """Two traces of ours and one of another campaign; the first is clicked and bought."""
    posterior = learned(new, 1)
    nothing = {"seed": 1, "items": [], "merchants": [], "categories": [], "n_rows": 0, "depth": 0, "rows": b""}
    mine, even = (
        DrawTable.objects.create(campaign=new, posterior=posterior, arm=arm, **nothing).pk
        for arm in ("learned", "uniform")
    )
    india = {"attributes": {"country": "IN"}}
    arrive(1, [
        Event("decision", AT, trace="t-1", user="u-1", discovery=[slot("a", 3, mine), slot("b", 8, mine)],
              properties=india, id="d1"),
        Event("decision", AT + HOUR, trace="t-2", user="=u-2", discovery=[slot("a", 3, even, source="floor")], id="d2"),
        Event("decision", AT, trace="t-3", user="u-3", discovery=[slot("a", 1, mine, campaign="other")], id="d3"),
        Event("impression", AT + HOUR / 2, "a", "t-1", "u-1", id="i1"),
        Event("impression", AT + HOUR, "a", "t-2", "=u-2", id="i2"),
        Event("impression", AT + HOUR, "a", "t-3", "u-3", id="i3"),
        Event("click", AT + HOUR, "a", "t-1", "u-1", id="c1"),
        Event("order", AT + 3 * HOUR, "a", "t-1", "u-1", value=12.5, order="o-1", id="o1"),
    ])  # fmt: skip
    return mine, even


def test_exposures_are_the_impressions_in_its_slots_as_they_were_decided(new: Campaign, shown: tuple[int, int]) -> None:
    mine, even = shown
    rows = sorted(exported("exposures", start=AT - DAY, end=AT + DAY), key=lambda row: str(row["trace_id"]))
    assert [row["trace_id"] for row in rows] == ["t-1", "t-2"]  # “b” was never seen; t-3 is another campaign's
    first, second = rows
    told = {"unit": "u-1", "item": "a", "position": 3, "table": mine, "row": 7, "propensity": 0.25, "source": "table"}
    assert {name: first[name] for name in told} == told
    assert (first["arm"], first["segment"], first["decided_at"]) == ("learned", "IN", AT)
    assert (first["click_hours"], first["order_hours"], first["cart_hours"], first["net"]) == (0, 2, None, 12.5)
    assert (second["arm"], second["source"], second["table"], second["segment"]) == ("uniform", "floor", even, "")
    assert (second["click_hours"], second["net"]) == (None, 0.0)


def test_only_decisions_of_the_time_are_exported(new: Campaign, shown: tuple[int, int]) -> None:
    rows = exported("exposures", start=AT + HOUR, end=AT + DAY)
    assert [row["trace_id"] for row in rows] == ["t-2"]
    assert exported("exposures", start=AT - DAY, end=AT) == []


def test_pseudonyms_tell_nobody_who_it_was_and_stay_the_same(new: Campaign, shown: tuple[int, int]) -> None:
    time = {"start": AT - DAY, "end": AT + DAY}
    once, again = (exported("exposures", **time, pseudonyms=True) for _ in range(2))
    units = {row["trace_id"]: row["unit"] for row in once}
    assert len(units) == 2
    assert all(re.fullmatch("[0-9a-f]{32}", unit) for unit in units.values())
    assert units == {row["trace_id"]: row["unit"] for row in again}


def test_no_spreadsheet_computes_what_a_unit_is_called(new: Campaign, shown: tuple[int, int], tmp_path: Path) -> None:
    asked = Asked(campaign="new", start=AT - DAY, end=AT + DAY)
    source, path = checked("exposures", asked), tmp_path / "exposures.csv"
    with path.open("wb") as out:
        for piece in formats.stream(Format.CSV, columns.schema(source.columns(asked)), source.read(asked).batches):
            out.write(piece)
    units = {row["unit"] for row in csv.DictReader(io.StringIO(path.read_text()))}
    assert units == {"u-1", "'=u-2"}


@pytest.mark.parametrize(
    ("kind", "wanted", "field"),
    [
        ("posteriors", {"campaign": "other"}, "campaign"),
        ("posteriors", {"campaign": ""}, "campaign"),
        ("posteriors", {"scenarios": ("search",)}, "campaign"),
        ("posteriors", {"look": 1}, "look"),
        ("outcomes", {"start": AT}, "start"),
        ("exposures", {}, "end"),
        ("exposures", {"start": AT, "end": AT}, "end"),
        ("exposures", {"start": AT, "end": AT + 93 * DAY}, "end"),
    ],
)
def test_what_is_not_there_is_refused(new: Campaign, kind: str, wanted: dict[str, Any], field: str) -> None:
    with pytest.raises(Refused) as refusal:
        checked(kind, Asked(**{"campaign": "new", **wanted}))
    assert refusal.value.field == field


def test_before_anything_is_learned_there_are_no_posteriors(new: Campaign) -> None:
    with pytest.raises(Refused, match="Nothing is learned yet"):
        checked("posteriors", Asked(campaign="new"))


def test_what_was_asked_is_kept_with_its_campaign() -> None:
    asked = Asked(campaign="new", start=AT, pseudonyms=True, scenarios=("home",))
    assert Asked.of(asked.stored()) == asked
    before_there_were_campaigns = {name: value for name, value in asked.stored().items() if name != "campaign"}
    assert Asked.of(before_there_were_campaigns).campaign == ""


@pytest.mark.parametrize("kind", ["posteriors", "outcomes", "exposures"])
def test_the_dictionary_has_every_column(kind: str) -> None:
    page = (Path(__file__).parents[2] / "docs" / "exports.md").read_text().split(f"## Columns of `{kind}`")[1]
    named = set(re.findall(r"`([a-z0-9_]+)`", page.split("\n## ")[0]))
    of = {"posteriors": exports.POSTERIORS, "outcomes": exports.OUTCOMES, "exposures": exports.EXPOSURES}[kind]
    assert {column.name for column in of} - named == set()
