"""Which sums per unit the metrics of a reading need. Metrics that sum the same share it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from firstlight.metrics.definitions import Definition, Source
from firstlight.metrics.read.values import Exposures

MONEY_BACK = ("refund", "cancel")
BITS = 60  # sides whose marks fit into one integer


@dataclass(frozen=True, slots=True)
class Side:
    """One sum per unit."""

    source: Source
    delay_hours: int
    window_hours: int | None
    priced: bool  # money by the rate of its day

    @property
    def is_distinct(self) -> bool:
        return self.source.adds == "distinct"

    @property
    def events(self) -> tuple[str, ...]:
        return (self.source.event, *MONEY_BACK) if self.source.adds == "net" else (self.source.event,)

    @property
    def worth(self) -> str | None:
        """Column of the events that is summed; None where they are counted."""
        if self.source.adds in ("count", "distinct"):
            return None
        is_net = self.source.adds == "net"
        if self.priced:
            return "priced_net" if is_net else "priced"
        return "signed" if is_net else "worth"


@dataclass(frozen=True, slots=True)
class Layout:
    """Per metric one side, or two of a ratio, as positions in `sides`; and where and when each is asked for."""

    sides: tuple[Side, ...]
    metrics: dict[str, tuple[int, ...]]
    funnels: tuple[Definition, ...]
    local: frozenset[int]  # sides that a metric counts in the experiment's scenarios
    everywhere: frozenset[int]
    past: frozenset[int]  # sides that are covariates as well

    @classmethod
    def of(cls, definitions: Sequence[Definition], also: Sequence[Definition] = ()) -> "Layout":
        """`also` are counted after exposure alone."""
        every = [one for one in (*definitions, *also) if one.kind != "funnel"]
        wanted = {one.key: tuple(_sides(one)) for one in every}
        sides = tuple(dict.fromkeys(side for several in wanted.values() for side in several))
        places = {key: tuple(map(sides.index, several)) for key, several in wanted.items()}

        def of_these(some: Sequence[Definition]) -> frozenset[int]:
            return frozenset(i for one in some for i in places.get(one.key, ()))

        return cls(
            sides,
            places,
            tuple(one for one in definitions if one.kind == "funnel"),
            of_these([one for one in every if one.in_scenario]),
            of_these([one for one in every if not one.in_scenario]),
            of_these(definitions),
        )

    @property
    def hours(self) -> list[int]:
        ends = {side.window_hours for side in self.sides} | {one.window_hours for one in self.funnels}
        return sorted(
            {hours for hours in ends if hours} | {side.delay_hours for side in self.sides if side.delay_hours}
        )

    @property
    def events(self) -> list[str]:
        types = {event for side in self.sides for event in side.events}
        return sorted(types | {step.event for one in self.funnels for step in one.steps})

    @property
    def blocks(self) -> range:
        """Integers that mark which sides an event counts for, `BITS` in each."""
        return range(-(-len(self.sides) // BITS))


@dataclass(frozen=True, slots=True)
class Asked:
    """One reading: which sums of whose events, and what of them."""

    layout: Layout
    exposures: Exposures
    parts: bool  # by scenario, age and segment of the events as well
    events: bool  # whether more than one sum per unit is asked of the joined events


def _sides(definition: Definition) -> Iterator[Side]:
    any_of = definition.kind in ("proportion", "retention")
    for source in definition.sources:
        what = Source(source.event, "count", source.filters) if any_of and source.adds != "net" else source
        priced = bool(definition.currency) and what.adds in ("value", "net")
        yield Side(what, definition.delay_hours, definition.window_hours, priced)
