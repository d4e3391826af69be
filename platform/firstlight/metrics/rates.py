"""What money was worth on which day. A value, once it is read.

Rates are kept in the base currency; from one currency to another is the quotient of two of them.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

import pyarrow as pa
from django.conf import settings

from firstlight.metrics.models import Rate

COLUMNS = pa.schema([("currency", pa.string()), ("day", pa.date32()), ("rate", pa.float64())])


@dataclass(frozen=True, slots=True)
class Rates:
    """Per currency its rates by day, the days in order. The base is worth 1 on every day."""

    base: str
    days: Mapping[str, tuple[date, ...]]
    worth: Mapping[str, tuple[float, ...]]  # of 1 of the currency in the base, on the same days

    @classmethod
    def of(cls, base: str, rows: Iterable[tuple[str, date, float | Decimal]]) -> "Rates":
        """Of (currency, day, worth of 1 in the base) in any order."""
        found: dict[str, list[tuple[date, float]]] = {}
        for currency, day, worth in sorted(rows):
            found.setdefault(currency, []).append((day, float(worth)))
        days = {currency: tuple(day for day, _ in several) for currency, several in found.items()}
        return cls(base, days, {currency: tuple(worth for _, worth in several) for currency, several in found.items()})

    def at(self, currency: str, day: date, to: str) -> float | None:
        """Worth of 1 of `currency` in `to` on a day, by the last rates up to it; None when there is none yet.

        >>> rates = Rates.of("EUR", [("USD", date(2026, 1, 1), 0.8), ("INR", date(2026, 1, 1), 0.01)])
        >>> round(rates.at("USD", date(2026, 1, 9), "INR"), 6)
        80.0
        """
        if currency == to:
            return 1.0
        worth, of_target = self._in_base(currency, day), self._in_base(to, day)
        return None if worth is None or of_target is None else worth / of_target

    def _in_base(self, currency: str, day: date) -> float | None:
        if currency == self.base:
            return 1.0
        i = bisect_right(self.days.get(currency, ()), day)
        return self.worth[currency][i - 1] if i else None

    @property
    def currencies(self) -> list[str]:
        return sorted({self.base, *self.days})

    def table(self, to: str, since: date, until: date) -> pa.Table:
        """currency, day, rate: worth of 1 in `to` on each day from `since` to `until`, both included.

        A pair without a rate up to that day has no row: what was paid in it cannot be converted, and the metric is
        withheld rather than short of it.
        """
        span = [since + timedelta(days=n) for n in range((until - since).days + 1)]
        rows = [
            (currency, day, rate)
            for currency in {*self.currencies, to}
            for day in span
            if (rate := self.at(currency, day, to)) is not None
        ]
        columns: Sequence[Sequence[object]] = list(zip(*sorted(rows), strict=True)) or [(), (), ()]
        return pa.table([pa.array(c, t) for c, t in zip(columns, COLUMNS.types, strict=True)], schema=COLUMNS)


def stored() -> Rates:
    """All that were entered."""
    return Rates.of(settings.BASE_CURRENCY, Rate.objects.values_list("currency", "day", "per_unit"))
