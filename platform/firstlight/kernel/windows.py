"""Half-open windows of time."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta


@dataclass(frozen=True, slots=True)
class Window:
    """From `start` (included) to `end` (not included), both with a zone."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise ValueError("A window needs times with a zone.")
        if self.end < self.start:
            raise ValueError(f"The window ends ({self.end}) before it starts ({self.start}).")

    def __contains__(self, at: datetime) -> bool:
        return self.start <= at < self.end

    def widened(self, *, before: timedelta = timedelta(0), after: timedelta = timedelta(0)) -> "Window":
        return Window(self.start - before, self.end + after)

    def days(self) -> Iterator[date]:
        """Every UTC day it touches."""
        day, last = self.start.astimezone(UTC).date(), (self.end.astimezone(UTC) - timedelta.resolution).date()
        while day <= last:
            yield day
            day += timedelta(days=1)
