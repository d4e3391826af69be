"""Paths against a brute force that reads event by event, and their intervals against a simulation."""

import random
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path as Folder
from typing import Any

import numpy as np
import pytest

from firstlight.kernel.moments import Moments
from firstlight.kernel.windows import Window
from firstlight.metrics.read.values import Exposures
from firstlight.stats.estimates import Estimate
from firstlight.tracing import lifts, paths
from firstlight.tracing.paths import REST, Arm, By, Counts, Path, Reading
from tests.firstlight.tracing.rows import row, write

pytestmark = pytest.mark.django_db

START = datetime(2026, 11, 20, tzinfo=UTC)
WINDOW = Window(START, START + timedelta(days=2))
ARMS = ("control", "din")
EXPOSURES = Exposures("e", 2, "user_id", ARMS, ("home",), WINDOW)
SOURCES, RANKERS = (None, "i2i", "hot"), (None, "din", "dnn")


@pytest.fixture(autouse=True)
def lake(settings: Any, tmp_path: Folder) -> None:
    settings.LAKE_URL = (tmp_path / "lake").as_uri()


def shop(seed: int, n: int = 1_500) -> list[dict[str, Any]]:
    """Events as they come: paths half named, trace ids missing, lines of one order, times that coincide."""
    rng = random.Random(seed)
    found = []
    for _ in range(n):
        kind = rng.choices(["impression", "click", "order", "decision", "exposure", "visit"], [10, 6, 3, 4, 1, 1])[0]
        at = START + timedelta(minutes=rng.randrange(-26 * 60, 49 * 60))
        who = rng.choice([{"user_id": f"u-{rng.randrange(30)}"}, {"device_id": f"d-{rng.randrange(5)}"}])
        where = (
            rng.choice(["home", "home", "search", None]) if kind == "order" else rng.choice(["home", "home", "search"])
        )
        more: dict[str, Any] = {"scenario": where, "trace_id": rng.choice([None, f"t-{rng.randrange(40)}"]), **who}
        if kind in ("impression", "click"):
            more["item_id"] = f"i-{rng.randrange(4)}"
        if kind in ("impression", "click", "order") and (kind == "impression" or rng.random() < 0.4):
            more |= {"recall_source": rng.choice(SOURCES), "ranker": rng.choice(RANKERS)}
        if kind == "order":
            more |= {"order_id": f"o-{rng.randrange(150)}"}
        if kind == "decision":
            arm = "control" if hash(str(who)) % 7 < 3 else "din"
            met = {"experiment": rng.choice(["e", "e", "f"]), "variant": arm, "phase": rng.choice([1, 2, 2])}
            more |= {"assignments": [met]}
        if kind == "exposure":
            more |= {"experiment": "e", "variant": rng.choice(ARMS), "phase": 2}
        found.append(row(kind, at, **more))
    return found


@dataclass
class Brute:
    """The same by hand."""

    events: list[dict[str, Any]]
    by: By
    facts: list[tuple[str, Path, dict[str, Any]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.events = sorted(self.events, key=lambda e: (e["at"], e["event_id"]))
        self.first, self.last = WINDOW.start.replace(tzinfo=None), WINDOW.end.replace(tzinfo=None)
        there = [e for e in self.events if self.first - timedelta(hours=24) <= e["at"] < self.last]
        shown = [e for e in there if e["type"] == "impression" and e["scenario"] == "home"]
        clicked = {e["event_id"]: (e, self.of_click(e, shown)) for e in there if e["type"] == "click"}
        lines: set[str] = set()
        for e in there:
            if e["type"] == "impression" and e["scenario"] == "home":
                self.add(e, self.own(e))
            if e["type"] == "click" and e["scenario"] == "home":
                self.add(e, clicked[e["event_id"]][1])
            if e["type"] == "order" and e["order_id"] not in lines:
                lines.add(e["order_id"])
                self.add_order(e, list(clicked.values()))

    def add(self, e: dict[str, Any], path: Path) -> None:
        if e["at"] >= self.first:
            self.facts.append((e["type"], path, e))

    def add_order(self, e: dict[str, Any], clicked: list[tuple[dict[str, Any], Path]]) -> None:
        day = timedelta(hours=24)
        mine = [(c, p) for c, p in clicked if who(c) == who(e) and e["at"] - day < c["at"] <= e["at"]]
        click, path = max(mine, key=lambda one: (one[0]["at"], one[0]["event_id"]), default=({}, self.path(None, None)))
        where = e["scenario"] or click.get("scenario")
        if where == "home":
            self.add(e, self.own(e) if named(e) or click.get("scenario") != "home" else path)

    def of_click(self, click: dict[str, Any], shown: list[dict[str, Any]]) -> Path:
        if named(click):
            return self.own(click)
        before = [
            e for e in shown
            if e["item_id"] == click["item_id"] and view(e) == view(click) and e["at"] <= click["at"]
            and click["scenario"] == "home"
        ]  # fmt: skip
        return self.own(max(before, key=lambda e: (e["at"], e["event_id"]))) if before else self.path(None, None)

    def own(self, e: dict[str, Any]) -> Path:
        return self.path(e.get("recall_source"), e.get("ranker"))

    def path(self, source: str | None, ranker: str | None) -> Path:
        return Path((source or "") if self.by != "ranker" else "", (ranker or "") if self.by != "recall_source" else "")

    def counts(self) -> dict[Path, Counts]:
        found = {}
        for path in {path for _, path, _ in self.facts}:
            mine = [(kind, e) for kind, p, e in self.facts if p == path]
            impressions, clicks, orders = (sum(kind == k for kind, _ in mine) for k in ("impression", "click", "order"))
            found[path] = Counts(impressions, clicks, orders, len({who(e) for _, e in mine}))
        return found

    def units(self) -> tuple[dict[str, dict[str, datetime]], int]:
        """arm -> unit -> since."""
        met: dict[str, list[tuple[datetime, str]]] = defaultdict(list)
        for e in self.events:
            if not self.first <= e["at"] < self.last or "user_id" not in e:
                continue
            if e["type"] == "exposure" and e["phase"] == 2:
                met[e["user_id"]].append((e["at"], e["variant"]))
            for one in e.get("assignments") or ():
                if (one["experiment"], one["phase"]) == ("e", 2):
                    met[e["user_id"]].append((e["at"], one["variant"]))
        arms: dict[str, dict[str, datetime]] = {arm: {} for arm in ARMS}
        for unit, several in met.items():
            if len({arm for _, arm in several}) == 1:
                arms[several[0][1]][unit] = min(several)[0]
        return arms, len(met) - sum(map(len, arms.values()))

    def moments(self, units: dict[str, datetime], path: Path) -> Moments:
        table = []
        for unit, since in units.items():
            mine = [(kind, p) for kind, p, e in self.facts if e.get("user_id") == unit and e["at"] >= since]
            here = [sum(kind == one and p == path for kind, p in mine) for one in ("impression", "click", "order")]
            table.append([*here, sum(kind == "impression" for kind, _ in mine)])
        return Moments.of(np.array(table, float))


def who(e: dict[str, Any]) -> str:
    return str(e.get("user_id") or e.get("device_id"))


def view(e: dict[str, Any]) -> str:
    return e.get("trace_id") or who(e)


def named(e: dict[str, Any]) -> bool:
    return bool(e.get("recall_source") or e.get("ranker"))


@pytest.mark.parametrize("by", paths.BY)
@pytest.mark.parametrize("seed", [1, 2])
def test_counts_and_moments_are_those_of_a_reading_by_hand(by: By, seed: int) -> None:
    events = shop(seed)
    write(*events)
    found, brute = paths.read("home", WINDOW, by, EXPOSURES), Brute(events, by)
    assert dict(found.paths) == brute.counts()
    assert len(found.paths) == {"recall_source": 3, "ranker": 3, "both": 9}[by]
    arms, mixed = brute.units()
    assert found.mixed == mixed
    assert {name: arm.units for name, arm in found.arms.items()} == {name: len(units) for name, units in arms.items()}
    for name, arm in found.arms.items():
        for path, moments in arm.by_path.items():
            expected = brute.moments(arms[name], path)
            assert moments.n == expected.n
            np.testing.assert_allclose(moments.mean, expected.mean, atol=1e-12)
            np.testing.assert_allclose(moments.products, expected.products, atol=1e-9)
    assert sum(mixed > 0 for mixed in [found.mixed]) == 1, "the shop has units that met both arms"


def test_the_lake_is_scanned_once(monkeypatch: pytest.MonkeyPatch) -> None:
    write(*shop(3, 300))
    read, opened = paths._kept, []

    def kept(events: Any, *more: Any) -> Any:
        table = read(events, *more)
        events.get_backend().raw_sql("DROP VIEW events")  # what read the files; whoever asks again fails
        opened.append(table.count().to_pyarrow().as_py())
        return table

    monkeypatch.setattr(paths, "_kept", kept)
    assert paths.read("home", WINDOW, "both", EXPOSURES).paths
    assert opened[0] > 100


def test_of_many_paths_the_smaller_ones_are_told_together() -> None:
    at = START + timedelta(hours=1)
    events = [
        row("impression", at, scenario="home", user_id=f"u-{i}", item_id="i", recall_source=f"s-{j:02}")
        for j in range(40)
        for i in range(50 - j)
    ]
    write(*events)
    found = paths.read("home", WINDOW, "recall_source")
    assert len(found.paths) == paths.MOST_PATHS + 1
    assert found.paths[REST].impressions == sum(50 - j for j in range(30, 40))
    assert [path.recall_source for path in found.paths][:2] == ["s-00", "s-01"]


def test_an_empty_lake_has_no_paths() -> None:
    found = paths.read("home", WINDOW, "both", EXPOSURES)
    assert (dict(found.paths), dict(found.arms), found.mixed) == ({}, {}, 0)


def simulated(rng: np.random.Generator, n: int, share: float) -> Moments:
    """Units that see five items on average; each comes by the path with this chance, clicks follow."""
    seen = rng.poisson(5, n)
    here = rng.binomial(seen, share)
    clicked = rng.binomial(here, 0.2)
    return Moments.of(np.column_stack([here, clicked, rng.binomial(clicked, 0.1), seen]).astype(float))


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    rng, path, rounds = np.random.default_rng(11), Path("i2i", ""), 600
    covered: defaultdict[str, int] = defaultdict(int)
    truth = {"exposure_share": 0.1, "impressions_per_unit": 0.5, "clicks_per_unit": 0.1, "click_rate": 0.0}
    for _ in range(rounds):
        control, treated = simulated(rng, 400, 0.3), simulated(rng, 400, 0.4)
        reading = Reading({}, {"a": Arm(400, {path: control}), "b": Arm(400, {path: treated})})
        for one in lifts.lifts(reading, "a", 0.95):
            if one.measure.key in truth:
                gap = one.comparison.difference
                assert isinstance(gap, Estimate)
                covered[one.measure.key] += gap.low <= truth[one.measure.key] <= gap.high
    for key, hits in covered.items():
        assert abs(hits / rounds - 0.95) < 4 * (0.95 * 0.05 / rounds) ** 0.5, key
    assert covered.keys() == truth.keys()


def test_a_rate_within_a_path_is_told_as_a_description_and_would_mislead_as_an_effect() -> None:
    """Nobody clicks more in either arm; the treatment sends items that nobody wants by the path as well."""
    rng, path = np.random.default_rng(3), Path("hot", "")
    seen = rng.poisson(5, 4_000)
    clicked = rng.binomial(seen, 0.2)
    control = np.column_stack([seen, clicked, clicked * 0, 2 * seen])
    treated = np.column_stack([2 * seen, clicked, clicked * 0, 2 * seen])
    arms = {"a": Arm(4_000, {path: Moments.of(control)}), "b": Arm(4_000, {path: Moments.of(treated)})}
    found = {one.measure.key: one for one in lifts.lifts(Reading({}, arms), "a", 0.95)}
    clicks, rate = found["clicks_per_unit"], found["click_rate"]
    assert isinstance(clicks.comparison.difference, Estimate)
    assert clicks.comparison.difference.value == 0
    assert isinstance(rate.comparison.difference, Estimate)
    assert rate.comparison.difference.high < 0
    assert (clicks.measure.nature, rate.measure.nature) == ("effect", "description")
