"""The best DuckDB SQL that we could write by hand for the moments of the ten metrics of `bench.analyse`.

Tried and slower: a condition on the event's type in each of the sums (half as long again), sums of 0 and 1, conditions
told beforehand as booleans, one group per unit and kind of event, a table of the exposures first, and the joined events
in a statement of their own. Tried and no different: an inner join with the idle units joined back, the arm and the day
as two columns.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from itertools import combinations_with_replacement
from typing import Any

import duckdb
import numpy as np
from django.conf import settings

from bench.crowd import DAYS, START
from firstlight.kernel.moments import Moments
from firstlight.kernel.windows import Window
from firstlight.lake import table

# Of metrics in the order of `bench.analyse`: value[, denominator] as sums per unit; "any" for whether there were any.
METRICS = {
    "click_rate": ("clicks", "seen"),
    "click_through": ("any_clicks",),
    "top_clicks": ("top",),
    "carts": ("carts",),
    "orders": ("orders",),
    "conversion": ("any_orders",),
    "value": ("paid",),
    "order_value": ("paid", "orders"),
    "visits": ("visits",),
    "refund_rate": ("back", "paid"),
}
COUNTS = {"seen": 1, "clicks": 2, "top": 4, "carts": 8, "orders": 16, "visits": 32}
WORTHS = {"paid": 16, "back": 64}
PAST, SEEN = 7, 1 << 14  # bits further left: before exposure; was there at all

HEAD = """
WITH ev AS NOT MATERIALIZED (SELECT * FROM read_parquet($1)), met AS (
    SELECT user_id AS u, "at" AS t, variant AS v FROM ev
    WHERE type = 'exposure' AND experiment = 'ranker' AND (phase = 1 OR phase IS NULL)
        AND "at" >= TIMESTAMP '2026-11-01' AND "at" < TIMESTAMP '2026-11-15' AND user_id IS NOT NULL
    UNION ALL
    SELECT u, t, a.variant FROM (
        SELECT user_id AS u, "at" AS t, unnest(assignments) AS a FROM ev
        WHERE type = 'decision' AND "at" >= TIMESTAMP '2026-11-01' AND "at" < TIMESTAMP '2026-11-15'
            AND user_id IS NOT NULL
    ) WHERE a.experiment = 'ranker' AND (a.phase = 1 OR a.phase IS NULL)
), coded AS (
    SELECT u, t, CASE v WHEN 'control' THEN 0 WHEN 'din' THEN 1 WHEN 'dien' THEN 2 END::TINYINT AS arm FROM met
), exposed AS MATERIALIZED (
    SELECT row_number() OVER ()::INT AS id, u, min(t) AS since,
        (any_value(arm)::INT * 64 + date_diff('day', DATE '2026-11-01', min(t)::DATE))::SMALLINT AS cell,
        min(t) - INTERVAL 14 DAY AS start, min(t) + INTERVAL 168 HOUR AS until
    FROM coded WHERE arm IS NOT NULL GROUP BY u HAVING min(arm) = max(arm)
), counted AS NOT MATERIALIZED (
    SELECT user_id AS u, "at" AS t, value::DOUBLE AS worth, scenario IN ('home', 'search') AS here,
        CASE type WHEN 'impression' THEN 1 WHEN 'click' THEN CASE WHEN position <= 3 THEN 6 ELSE 2 END
            WHEN 'cart' THEN 8 WHEN 'order' THEN 16 WHEN 'visit' THEN 32 WHEN 'refund' THEN 64 END::INT AS m
    FROM ev WHERE type IN ('impression', 'click', 'cart', 'order', 'visit', 'refund')
        AND "at" >= TIMESTAMP '2026-10-18' AND "at" < TIMESTAMP '2026-11-15' AND user_id IS NOT NULL
), joined AS NOT MATERIALIZED (
    SELECT id, cell, worth, CASE
        WHEN t < since THEN CASE WHEN here THEN m * 128 + 16384 ELSE 16384 END
        WHEN here AND t < until THEN m ELSE 0 END AS k
    FROM exposed LEFT JOIN counted ON exposed.u = counted.u AND t >= start
), per_unit AS NOT MATERIALIZED (
"""


def moments() -> dict[str, dict[tuple[int, date], Moments]]:
    """By metric, arm and day of first exposure, of value[, denominator], the same before exposure, and is_new."""
    lake = table.opened()
    assert lake is not None
    files = table.files(lake, Window(START - timedelta(days=DAYS), START + timedelta(days=DAYS)).days())
    asked: dict[str, Any] = {"preserve_insertion_order": False, "memory_limit": settings.ENGINE_MEMORY}
    with duckdb.connect(config=asked | {"temp_directory": str(settings.VAR_DIR / "spill")}) as connection:
        connection.execute("SET enable_progress_bar = false")
        found = connection.execute(_sql(), [files])
        names = [one[0] for one in found.description]
        rows = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
    return {
        key: {
            (row["cell"] // 64, START.date() + timedelta(days=row["cell"] % 64)): _moments(row, _quantities(several))
            for row in rows
        }
        for key, several in METRICS.items()
    }


def _quantities(sums: Sequence[str]) -> list[str]:
    return [*(f"n_{one}" for one in sums), *(f"p_{one}" for one in sums), "is_new"]


def _sql() -> str:
    pairs = {
        tuple(sorted(pair))
        for several in METRICS.values()
        for pair in combinations_with_replacement(_quantities(several), 2)
    }
    quantities = sorted({one for pair in pairs for one in pair})
    means = [f"avg({_of(one)}) AS {one}" for one in quantities]
    products = [
        f"{f'var_pop({_of(a)})' if a == b else f'covar_pop({_of(a)}, {_of(b)})'} AS {a}__{b}" for a, b in sorted(pairs)
    ]
    per_unit = f"SELECT id, any_value(cell) AS cell, {', '.join(_sums())} FROM joined GROUP BY id)"
    return f"{HEAD}{per_unit} SELECT cell, count(*) AS n, {', '.join(means + products)} FROM per_unit GROUP BY cell"


def _of(quantity: str) -> str:
    period, _, rest = quantity.partition("_")
    return f"({period}_{rest.removeprefix('any_')} > 0)::DOUBLE" if rest.startswith("any_") else quantity


def _sums() -> list[str]:
    found = [f"(count(*) FILTER (k >= {SEEN}) = 0)::DOUBLE AS is_new"]
    for period, shift in (("n", 0), ("p", PAST)):
        found += [f"count(*) FILTER (k & {b << shift} <> 0)::DOUBLE AS {period}_{name}" for name, b in COUNTS.items()]
        found += [
            f"coalesce(sum(worth) FILTER (k & {b << shift} <> 0), 0) AS {period}_{name}" for name, b in WORTHS.items()
        ]
    return found


def _moments(row: dict[str, Any], names: Sequence[str]) -> Moments:
    products = [[row["__".join(sorted((a, b)))] for b in names] for a in names]
    return Moments(row["n"], np.array([row[name] for name in names]), row["n"] * np.array(products))
