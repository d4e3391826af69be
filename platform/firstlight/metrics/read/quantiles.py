"""What the delta method needs of a quantile, of units or of the events that are clustered in them."""

import ibis

from firstlight.metrics.read.folded import Quantity, fold
from firstlight.metrics.read.values import Quantile


def quantile(rows: ibis.Table, share: float) -> Quantile | None:
    """Of id, arm, value. None for fewer than two values."""
    n = int(rows.count().to_pyarrow().as_py())
    if n < 2:
        return None
    reach = 1.959963984540054 * (share * (1 - share) / n) ** 0.5
    at = {"value": share, "low": max(share - reach, 0.0), "high": min(share + reach, 1.0)}
    row = rows.aggregate(**{name: rows.value.quantile(q) for name, q in at.items()}).to_pyarrow().to_pylist()[0]
    told = {name: float(x) for name, x in row.items()}
    per_unit = rows.group_by("id", "arm").aggregate(
        below=(rows.value <= told["value"]).sum().cast("float64"), one=rows.count().cast("float64")
    )
    (moments,) = fold(per_unit, ["arm"], {"q": [Quantity("below"), Quantity("one")]})["q"].values()
    return Quantile(n, share, told["value"], told["low"], told["high"], moments)
