"""What is answered, from wherever it came. Wire names: docs/api.md; what a newer server adds is passed over. Pure."""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

Source = Literal["remote", "local", "remembered", "defaults"]


class Met(msgspec.Struct, frozen=True):
    """An experiment that the unit takes part in, and its arm."""

    experiment: str
    variant: str
    phase: int = 1
    in_holdout: bool = False
    forced: bool = False  # on a tester: no part of what is found


class Slot(msgspec.Struct, frozen=True):
    """An item that discovery places."""

    position: int
    item_id: str
    campaign: str
    table: int | None = None
    row: int | None = None
    propensity: float | None = None
    source: str = ""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What to show. `source` says how good it is, and `reason` why it is not the server's own, if it is not."""

    trace_id: str
    scenario: str
    snapshot: int | None = None
    expires_in: float = 0
    journey_stage: str | None = None
    experiments: tuple[Met, ...] = ()
    parameters: dict[str, Any] = {}
    objectives: dict[str, Any] | None = None
    discovery: tuple[Slot, ...] = ()
    floors: dict[str, float] = {}  # by campaign, the share of requests in which one slot is drawn at random
    interleaving: tuple[dict[str, Any], ...] = ()
    shared_experiments: tuple[dict[str, Any], ...] = ()
    sticky: dict[str, Any] = {}  # send it with the next question of this unit
    unit: dict[str, str] = {}
    source: Source = "remote"
    reason: str = ""
    age: float = 0.0  # seconds since it, or the rules that gave it, came from the server

    @property
    def is_stale(self) -> bool:
        """Whether it stands in for an answer that did not come."""
        return bool(self.reason)

    def get(self, parameter: str, default: Any = None) -> Any:
        """What the visitor's arms set, else your own default."""
        return self.parameters.get(parameter, default)

    def variant(self, experiment: str) -> str | None:
        return next((met.variant for met in self.experiments if met.experiment == experiment), None)


class Undecodable(ValueError):
    """Bytes that are no answer."""


_answer = msgspec.json.Decoder(Answer)


class _Batch(msgspec.Struct):
    results: list[msgspec.Raw]


_batch = msgspec.json.Decoder(_Batch)


class Problem(msgspec.Struct, frozen=True):
    """Of a refusal (RFC 9457)."""

    status: int = 0
    title: str = ""
    detail: str = ""
    errors: tuple[dict[str, str], ...] = ()

    def said(self) -> str:
        places = [f"{one.get('pointer', '')}: {one.get('detail', '')}" for one in self.errors]
        return " ".join([self.detail or self.title, *places]).strip()


def decode(body: bytes | msgspec.Raw, unit: Mapping[str, str]) -> Answer:
    """Raises `Undecodable`."""
    try:
        return msgspec.structs.replace(_answer.decode(body), unit=dict(unit), source="remote", reason="", age=0.0)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Undecodable(f"no answer that can be read: {error}") from error


def decode_batch(body: bytes, n: int) -> list[msgspec.Raw]:
    """As many as were asked for; raises `Undecodable`."""
    try:
        results = _batch.decode(body).results
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Undecodable(f"no answers that can be read: {error}") from error
    if len(results) != n:
        raise Undecodable(f"{len(results)} answers to {n} questions")
    return results


def problem(body: bytes | msgspec.Raw) -> Problem:
    try:
        return msgspec.json.decode(body, type=Problem)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return Problem(title="no reason given")


def remembered(body: bytes, unit: Mapping[str, str], reason: str, age: float) -> Answer:
    """The last good one. Its trace id stays its own: what is then shown is told under the decision that placed it."""
    return msgspec.structs.replace(decode(body, unit), source="remembered", reason=reason, age=age)


def defaults(trace_id: str, scenario: str, unit: Mapping[str, str], reason: str) -> Answer:
    """Nothing is known: everybody's own defaults, and no experiment counts this view."""
    return Answer(trace_id=trace_id, scenario=scenario, unit=dict(unit), source="defaults", reason=reason)
