"""Numbers into words, as people read them. Pure.

Minus signs are real ones (−), thousands have commas, and a percentage keeps three figures, so that 0.35 % and 0.50 %
can be told apart.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from math import floor, isfinite, log10

BLANK = "–"  # stands where there is no number
_STEPS = [(86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")]


def count(n: float) -> str:
    """
    >>> count(60000)
    '60,000'
    """
    return _signs(f"{n:,.0f}")


def plural(n: int, noun: str, many: str | None = None) -> str:
    """
    >>> plural(1, "item"), plural(2, "category", "categories")
    ('1 item', '2 categories')
    """
    return f"{count(n)} {noun if n == 1 else many or noun + 's'}"


def number(x: float | None, figures: int = 4) -> str:
    """With so many significant figures; whole numbers from there on are never rounded.

    >>> number(12.3456), number(0.000123456), number(1234567.8)
    ('12.35', '0.0001235', '1,234,568')
    """
    if x is None or not isfinite(x):
        return BLANK
    return _signs(f"{x:,.{_decimals(x, figures)}f}")


def percent(share: float | None, figures: int = 3) -> str:
    """Of a fraction; never finer than a ten-thousandth of a percent.

    >>> percent(0.003456), percent(1), percent(0), percent(0.00000356)
    ('0.346 %', '100 %', '0 %', '0.0004 %')
    """
    if share is None or not isfinite(share):
        return BLANK
    return _signs(f"{share * 100:,.{min(_decimals(share * 100, figures), 4)}f} %")


def lift(fraction: float | None) -> str:
    """A relative change, with its sign and one decimal.

    >>> lift(0.1053), lift(-0.031), lift(0)
    ('+10.5 %', '−3.1 %', '0.0 %')
    """
    if fraction is None or not isfinite(fraction):
        return BLANK
    text = f"{fraction * 100:+,.1f}"
    return _signs(text.lstrip("+-") if float(text.replace(",", "")) == 0 else text) + " %"


def lift_interval(low: float, high: float) -> str:
    """
    >>> lift_interval(-0.031, 0.302)
    '−3.1 % to +30.2 %'
    """
    return f"{lift(low)} to {lift(high)}"


def p_value(p: float | None, log10_p: float | None = None) -> str:
    """
    >>> p_value(0.0342), p_value(1e-9, -9.0), p_value(0.0, -320.4)
    ('p = 0.034', 'p < 0.001', 'p < 0.001')
    """
    if p is None or not isfinite(p):
        return BLANK if log10_p is None else "p < 0.001" if log10_p < -3 else f"p = {10**log10_p:.3f}"
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}" if p < 0.9995 else "p = 1.000"


def money(amount: Decimal | str | float, currency: str) -> str:
    """
    >>> money("12345.6000", "INR")
    '12,345.60 INR'
    """
    return _signs(f"{Decimal(amount):,.2f} {currency}")


def purse(sums: Mapping[str, Decimal | str]) -> str:
    """Sums of several currencies, which have no total.

    >>> purse({"INR": "10", "EUR": "2.5"})
    '2.50 EUR and 10.00 INR'
    """
    return listing([money(amount, currency) for currency, amount in sorted(sums.items())]) or BLANK


def duration(span: timedelta) -> str:
    """In its largest unit, rounded down.

    >>> duration(timedelta(days=3, hours=5)), duration(timedelta(seconds=0))
    ('3 days', '0 seconds')
    """
    seconds = max(span.total_seconds(), 0)
    size, noun = next((step for step in _STEPS if seconds >= step[0]), _STEPS[-1])
    return plural(int(seconds // size), noun)


def ago(then: datetime | None, now: datetime) -> str:
    """
    >>> from datetime import UTC
    >>> ago(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, 2, tzinfo=UTC))
    '2 hours ago'
    """
    if then is None:
        return "never"
    return "just now" if now - then < timedelta(seconds=1) else f"{duration(now - then)} ago"


def listing(parts: Sequence[str]) -> str:
    """
    >>> listing(["a", "b", "c"])
    'a, b and c'
    """
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def _decimals(x: float, figures: int) -> int:
    """Decimals that show `figures` significant figures of x; none where it is whole."""
    if x == 0 or round(x, 9) == round(x):
        return 0
    return max(figures - 1 - floor(log10(abs(x))), 0)


def _signs(text: str) -> str:
    return text.replace("-", "−")
