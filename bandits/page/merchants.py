"""Who gets what: the share of each merchant against what was promised, and how even it all is."""

from collections.abc import Mapping, Sequence
from typing import Any

from firstlight.console import charts, words
from firstlight.console.pictures import Picture
from firstlight.console.sections import Cell, Section, Table, heads, row

Json = Mapping[str, Any]

DRAWN = 12  # merchants
MISSING = "Shows once the campaign has shown items of merchants."


def section(found: Json, names: Mapping[str, str]) -> Section:
    """Of what `bandits.ecosystem` found; `names` of merchants by key."""
    if not found["ever"]:
        return Section("merchants", "Merchants", missing=MISSING)
    return Section(
        "merchants",
        "Merchants",
        sentence=sentence(found),
        pictures=[_picture(found["ever"], names)],
        tables=[_by_merchant(found, names), _evenness(found)],
    )


def sentence(found: Json) -> str:
    whole, items = found["merchants"], found["items"]
    reached = f"{words.count(whole['n_shown'])} of {words.plural(whole['n'], 'merchant')} were shown; "
    head = f"the tenth of the items with the most has {words.percent(items['top_share'])} of the impressions."
    return reached + head + _promised(found)


def _promised(found: Json) -> str:
    rows = found["yesterday"]
    if not rows or not rows[0]["floor"]:
        return ""
    met = f"{words.count(found['floors_met'])} of {words.plural(len(rows), 'merchant')}"
    return f" Yesterday {met} had the {words.percent(rows[0]['floor'])} that each was promised."


def _picture(rows: Sequence[Json], names: Mapping[str, str]) -> Picture:
    bars = [
        charts.Bar(names.get(r["merchant"], r["merchant"]), r["share"], words.percent(r["share"]), _tone(r))
        for r in rows[:DRAWN]
    ]
    caption = (
        "Share of the campaign's impressions since it started, the largest first. Red: outside of what was promised."
    )
    told = [{name: r[name] for name in ("merchant", "n_items", "impressions", "share", "floor", "cap")} for r in rows]
    return Picture("merchants", "Impressions by merchant", charts.bars(bars), told, caption)


def _tone(one: Json) -> str:
    return "neutral" if one["floor_met"] and one["cap_kept"] else "worse"


def _by_merchant(found: Json, names: Mapping[str, str]) -> Table:
    yesterday = {r["merchant"]: r for r in found["yesterday"]}
    titles = heads("Merchant", "#Items", "#Impressions", "#Share", "#Yesterday", "Promised")
    rows = [
        row(
            Cell(names.get(r["merchant"], r["merchant"]), r["merchant"] if r["merchant"] in names else ""),
            words.count(r["n_items"]),
            words.count(r["impressions"]),
            words.percent(r["share"]),
            words.percent(yesterday[r["merchant"]]["share"]) if r["merchant"] in yesterday else words.BLANK,
            _kept(yesterday.get(r["merchant"]), r),
        )
        for r in found["ever"]
    ]
    return Table("By merchant", titles, rows, is_folded=len(rows) > DRAWN)


def _kept(day: Json | None, one: Json) -> Cell:
    """Whether yesterday kept the promise, in words."""
    promised = [
        *([f"at least {words.percent(one['floor'])}"] if one["floor"] else []),
        *([f"at most {words.percent(one['cap'])}"] if one["cap"] < 1 else []),
    ]
    if not promised:
        return Cell(words.BLANK)
    if day is None:
        return Cell(words.listing(promised))
    kept = day["floor_met"] and day["cap_kept"]
    told, tone = ("kept yesterday", "better") if kept else ("not kept yesterday", "worse")
    return Cell(words.listing(promised), told, tone)


def _evenness(found: Json) -> Table:
    titles = heads("Spread over", "#Could be shown", "#Shown", "#Gini", "#Top tenth has", "#Evenness")
    rows = [
        row(
            name,
            words.count(of["n"]),
            words.percent(of["coverage"]),
            f"{of['gini']:.3f}",
            words.percent(of["top_share"]),
            words.percent(of["evenness"]),
        )
        for name, of in (("items", found["items"]), ("merchants", found["merchants"]))
    ]
    return Table(
        "How even it is: Gini 0 is alike, towards 1 one has all; evenness is entropy over its most", titles, rows
    )
