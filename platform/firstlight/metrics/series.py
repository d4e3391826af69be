"""What was measured in a scenario over time, with the shares divided; for the API, the pages and reports."""

from typing import Any, Literal

from firstlight.catalog.models import Scenario
from firstlight.kernel.windows import Window
from firstlight.kernel.withheld import Reason
from firstlight.metrics.models import ScenarioMeasure
from firstlight.metrics.scenarios import COUNTS

Share = float | dict[str, str]  # a fraction, or {"withheld": reason}


def series(
    scenario: Scenario, window: Window, *, grain: str, by: Literal["recall_source"] | None = None
) -> list[dict[str, Any]]:
    """Hours or days that start within `window`, oldest first; those in which nothing happened are left out.

    Shares are fractions in [0, 1]: `click_rate` of impressions that were clicked, `conversion` of units that ordered,
    `revisit_rate` of units that were there in the seven days before. Money: {currency: decimal string}.
    """
    rows = ScenarioMeasure.objects.filter(
        scenario=scenario, grain=grain, starts_at__gte=window.start, starts_at__lt=window.end
    )
    rows = rows.exclude(recall_source="") if by == "recall_source" else rows.filter(recall_source="")
    return [described(row) for row in rows.order_by("starts_at", "recall_source")]


def described(row: ScenarioMeasure) -> dict[str, Any]:
    """One measure as values that JSON can hold."""
    return {
        "starts_at": row.starts_at.isoformat(),
        "recall_source": row.recall_source or None,
        **{name: getattr(row, name) for name in COUNTS},
        "click_rate": _share(row.clicked_impressions, row.impressions),
        "conversion": _share(row.buyers, row.units),
        "revisit_rate": _share(row.returning_units, row.units),
        "gross": row.gross,
        "net": row.net,
    }


def _share(part: int, whole: int) -> Share:
    return part / whole if whole else {"withheld": Reason.NO_DENOMINATOR.value}
