"""What came of each path by which items reach people: recall source, ranker, or both; one reading of the lake.

A path's impressions are those that name it. A click, and an order, belongs to the path that it names itself. Else a
click belongs to the path of the last impression of its item in its view (`trace_id`, else the same unit) not after it,
and an order to the path of the unit's last click in the 24 hours before it, which also says the scenario where the
order does not. What finds none is of no path (""). An order counts once, by its first line.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

import ibis

from firstlight.kernel.moments import Moments
from firstlight.kernel.windows import Window
from firstlight.lake import engine
from firstlight.metrics import attribution
from firstlight.metrics.read.exposed import first_exposures, within
from firstlight.metrics.read.folded import Quantity, fold
from firstlight.metrics.read.values import Exposures

By = Literal["recall_source", "ranker", "both"]
BY: tuple[By, ...] = ("recall_source", "ranker", "both")
BEFORE = timedelta(hours=24)  # of an order, in which its click lies
MOST_PATHS = 30  # told one by one, those with the most impressions; the others are one
KINDS = ("impression", "click", "order")
COLUMNS = (
    "event_id", "type", "at", "user_id", "device_id", "session_id", "scenario", "trace_id", "item_id", "recall_source",
    "ranker", "order_id", "experiment", "variant", "phase", "assignments",
)  # fmt: skip


@dataclass(frozen=True, slots=True, order=True)
class Path:
    recall_source: str  # "" where it is not named, or not asked for
    ranker: str
    is_rest: bool = False  # all the others together


REST = Path("", "", True)


@dataclass(frozen=True, slots=True)
class Counts:
    impressions: int
    clicks: int
    orders: int
    units: int  # who had any of them


@dataclass(frozen=True, slots=True)
class Arm:
    """Units that met this arm and no other, from their first exposure in the window on."""

    units: int
    by_path: Mapping[Path, Moments]  # per unit: impressions, clicks, orders of the path, impressions of all paths


@dataclass(frozen=True, slots=True)
class Reading:
    paths: Mapping[Path, Counts]  # most impressions first
    arms: Mapping[str, Arm]  # control first; empty where no experiment was asked for
    mixed: int = 0  # units that met several arms, now or in an earlier phase, and are in none


def read(scenario: str, window: Window, by: By, exposures: Exposures | None = None) -> Reading:
    """`exposures` says by which experiment's arms; its window is `window`."""
    with engine.events(window.widened(before=BEFORE)) as events:
        kept = _kept(events, window, exposures)
        facts = _facts(kept, scenario, window, by, exposures.unit if exposures else "user_id")
        backend = events.get_backend()
        facts = backend.create_table(ibis.util.gen_name("facts"), facts, temp=True)
        counts = _counts(facts)
        if exposures is None:
            return Reading(counts, {})
        first = backend.create_table(ibis.util.gen_name("first"), first_exposures(kept, exposures), temp=True)
        return Reading(counts, *_arms(facts, first, counts, exposures.arms))


def _kept(events: Any, window: Window, exposures: Exposures | None) -> Any:
    """All that is read of the lake, once, as a table of the engine's own."""
    kinds = [*KINDS, *(("decision", "exposure") if exposures else ())]
    rows = events.filter(within(events["at"], window.start - BEFORE, window.end), events["type"].isin(kinds))
    # Of exposures alone, which say there that they were forced; a decision has kilobytes of them.
    said = (rows["type"] == "exposure").ifelse(rows["properties"], ibis.null("string"))
    return events.get_backend().create_table(
        ibis.util.gen_name("kept"), rows.select(*COLUMNS, properties=said), temp=True
    )


def _facts(kept: Any, scenario: str, window: Window, by: By, unit: str) -> Any:
    """kind, unit, who, at, source, ranker: what happened in the scenario, each under its path."""
    rows = kept.select(
        "event_id", "type", "at", "scenario", "item_id", "order_id",
        unit=kept[unit],
        who=attribution.who(kept),
        view=ibis.coalesce(kept["trace_id"], attribution.who(kept)),
        named=kept["recall_source"].notnull() | kept["ranker"].notnull(),
        source=ibis.coalesce(kept["recall_source"], "") if by != "ranker" else ibis.literal(""),
        ranker=ibis.coalesce(kept["ranker"], "") if by != "recall_source" else ibis.literal(""),
    )  # fmt: skip
    shown = rows.filter(rows["type"] == "impression", rows.scenario == scenario)
    clicks = _clicks(rows, shown)
    here = shown.union(clicks.filter(clicks.scenario == scenario).select(shown.columns))
    every = here.union(_orders(rows, clicks, scenario).select(shown.columns))
    inside = every.filter(within(every["at"], window.start, window.end))
    return inside.select("unit", "who", "at", "source", "ranker", kind=inside["type"])


def _clicks(rows: Any, shown: Any) -> Any:
    """In every scenario; those that name no path under that of the impression they follow."""
    clicks = rows.filter(rows["type"] == "click")
    before = shown.select(
        seen_view=shown["view"],
        seen_item=shown.item_id,
        seen_in=shown.scenario,
        seen_at=shown["at"],
        seen_id=shown.event_id,
        seen_source=shown.source,
        seen_ranker=shown.ranker,
    )
    bare = clicks.filter(~clicks.named)
    pairs = bare.join(
        before,
        (bare["view"] == before.seen_view)
        & (bare.item_id == before.seen_item)
        & (bare.scenario == before.seen_in)
        & (before.seen_at <= bare["at"]),
    )
    last = _last(pairs, "event_id", ["seen_at", "seen_id"]).select(
        of="event_id", seen_source="seen_source", seen_ranker="seen_ranker"
    )
    found = clicks.left_join(last, clicks.event_id == last.of)
    return found.select(
        *(name for name in rows.columns if name not in ("source", "ranker")),
        source=ibis.coalesce(found.seen_source, found.source),
        ranker=ibis.coalesce(found.seen_ranker, found.ranker),
    ).select(rows.columns)


def _orders(rows: Any, clicks: Any, scenario: str) -> Any:
    """Of the scenario, first lines alone."""
    lines = rows.filter(rows["type"] == "order")
    number = ibis.row_number().over(group_by=lines.order_id, order_by=[lines["at"], lines.event_id])
    lines = lines.mutate(line=number)
    bought = lines.filter(lines.line == 0)
    told = clicks.filter(clicks.scenario.notnull())
    before = told.select(
        clicker=told.who,
        clicked_at=told["at"],
        clicked_id=told.event_id,
        clicked_in=told.scenario,
        click_source=told.source,
        click_ranker=told.ranker,
    )
    pairs = bought.join(
        before,
        (bought.who == before.clicker)
        & (before.clicked_at <= bought["at"])
        & (before.clicked_at > bought["at"] - ibis.interval(hours=24)),
    )
    last = _last(pairs, "event_id", ["clicked_at", "clicked_id"]).select(
        of="event_id", clicked_in="clicked_in", click_source="click_source", click_ranker="click_ranker"
    )
    found = bought.left_join(last, bought.event_id == last.of)
    from_click = ~found.named & (found.clicked_in == scenario)
    placed = found.select(
        *(name for name in rows.columns if name not in ("scenario", "source", "ranker")),
        scenario=ibis.coalesce(found.scenario, found.clicked_in),
        source=from_click.fill_null(False).ifelse(found.click_source, found.source),
        ranker=from_click.fill_null(False).ifelse(found.click_ranker, found.ranker),
    )
    return placed.filter(placed.scenario == scenario)


def _last(pairs: Any, of: str, order: list[str]) -> Any:
    """The last row of each, told apart by ids where times are the same."""
    number = ibis.row_number().over(group_by=pairs[of], order_by=[ibis.desc(pairs[name]) for name in order])
    numbered = pairs.mutate(back=number)
    return numbered.filter(numbered.back == 0)


def _counts(facts: Any) -> dict[Path, Counts]:
    rows = facts.group_by("source", "ranker").aggregate(
        **{f"{kind}s": (facts.kind == kind).sum() for kind in KINDS}, units=facts.who.nunique()
    )
    found = {
        Path(row["source"], row["ranker"]): Counts(row["impressions"], row["clicks"], row["orders"], row["units"])
        for row in rows.to_pyarrow().to_pylist()
    }
    ranked = sorted(found, key=lambda path: (-found[path].impressions, -found[path].clicks, path))
    kept = {path: found[path] for path in ranked[:MOST_PATHS]}
    if rest := [found[path] for path in ranked[MOST_PATHS:]]:
        columns = zip(*((one.impressions, one.clicks, one.orders, one.units) for one in rest), strict=True)
        kept[REST] = Counts(*map(sum, columns))
    return kept


def _arms(facts: Any, first: Any, counts: Mapping[Path, Counts], names: tuple[str, ...]) -> tuple[dict[str, Arm], int]:
    """The moments of each arm's units; units without any event of the scenario count with zeros."""
    sizes = {row["arm"]: row["n"] for row in first.group_by("arm").aggregate(n=first.count()).to_pyarrow().to_pylist()}
    paths = [path for path in counts if not path.is_rest]
    units = _per_unit(facts, first.filter(first.arm >= 0), paths)
    wanted = {str(i): [*(Quantity(f"{kind}_{i}") for kind in KINDS), Quantity("total")] for i in range(len(paths))}
    found = fold(units, ["arm"], wanted) if paths else {}
    arms = {
        name: Arm(sizes[i], {path: found[str(j)][i,] for j, path in enumerate(paths)})
        for i, name in enumerate(names)
        if sizes.get(i)
    }
    return arms, sum(n for arm, n in sizes.items() if arm < 0)


def _per_unit(facts: Any, first: Any, paths: list[Path]) -> Any:
    """unit, arm, and for each path what the unit did on it since its exposure."""
    met = first.select(member=first.unit, arm=first.arm, since=first.exposed_at)
    both = met.left_join(facts, (met.member == facts.unit) & (facts["at"] >= met.since))
    sums: dict[str, Any] = {"total": _sum(both.kind == "impression")}
    for i, path in enumerate(paths):
        here = (both["source"] == path.recall_source) & (both["ranker"] == path.ranker)
        sums |= {f"{kind}_{i}": _sum(here & (both.kind == kind)) for kind in KINDS}
    return both.group_by("member", "arm").aggregate(**sums)


def _sum(condition: Any) -> Any:
    return condition.fill_null(False).sum().cast("float64")
