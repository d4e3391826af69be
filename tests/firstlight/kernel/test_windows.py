from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from firstlight.kernel.windows import Window

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
MIDNIGHT = datetime(2026, 11, 24, tzinfo=UTC)


def test_the_start_is_in_and_the_end_is_not() -> None:
    window = Window(NOON, MIDNIGHT)
    assert NOON in window
    assert MIDNIGHT not in window
    assert MIDNIGHT - timedelta.resolution in window


def test_its_days_are_those_it_touches_in_utc() -> None:
    assert list(Window(NOON, MIDNIGHT).days()) == [date(2026, 11, 23)]
    assert list(Window(NOON, MIDNIGHT + timedelta.resolution).days()) == [date(2026, 11, 23), date(2026, 11, 24)]
    india = timezone(timedelta(hours=5, minutes=30))
    assert list(Window(datetime(2026, 11, 24, 3, tzinfo=india), MIDNIGHT).days()) == [date(2026, 11, 23)]
    assert list(Window(MIDNIGHT, MIDNIGHT).days()) == []


def test_widened_on_both_sides() -> None:
    wide = Window(NOON, MIDNIGHT).widened(before=timedelta(hours=1), after=timedelta(days=1))
    assert (wide.start.hour, wide.end.day) == (11, 25)


def test_times_need_a_zone_and_an_order() -> None:
    with pytest.raises(ValueError, match="zone"):
        Window(NOON.replace(tzinfo=None), MIDNIGHT)
    with pytest.raises(ValueError, match="before it starts"):
        Window(MIDNIGHT, NOON)
