"""What the reader asked to see: scale, covariates, horizon, metric, arm. Links carry it, so no script is needed."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any
from urllib.parse import urlencode

from experiments.page.stored import Json, in_force
from firstlight.console.sections import Option, Switch

SCALES = {"relative": "Relative", "absolute": "Absolute"}
COVARIATES = {"adjusted": "Adjusted", "raw": "Raw"}
HORIZONS = {"sequential": "Sequential", "fixed": "Fixed"}


@dataclass(frozen=True, slots=True)
class Choice:
    """Empty: what is in force."""

    scale: str = ""
    covariates: str = ""
    horizon: str = ""
    metric: str = ""
    arm: str = ""
    rows: int = 1  # page of a long list
    look: int | None = None

    @classmethod
    def of(cls, asked: Mapping[str, str], look: int | None = None) -> "Choice":
        """From an address, where anything may stand; what makes no sense is left out."""

        def one_of(name: str, known: Mapping[str, str]) -> str:
            return asked[name] if asked.get(name) in known else ""

        rows = asked.get("rows", "1")
        return cls(
            scale=one_of("scale", SCALES),
            covariates=one_of("covariates", COVARIATES),
            horizon=one_of("horizon", HORIZONS),
            metric=asked.get("metric", "")[:100],
            arm=asked.get("arm", "")[:100],
            rows=int(rows) if rows.isascii() and rows.isdigit() and 0 < len(rows) < 5 else 1,
            look=look,
        )

    @property
    def query(self) -> str:
        said = {name: value for name, value in asdict(self).items() if value and (name, value) != ("rows", 1)}
        return f"?{urlencode(said)}" if said else ""

    def but(self, **changes: Any) -> str:
        return replace(self, **changes).query or "?"  # a link to nothing would keep what is asked for now

    @property
    def is_absolute(self) -> bool:
        return self.scale == "absolute"


def readings(results: Json, choice: Choice) -> list[Switch]:
    """Relative or absolute; and where the look has them, adjusted or raw, sequential or fixed."""
    first = next((e for m in results["metrics"] for e in m["estimates"] if e.get("readings")), None)
    scale = _switch("Scale", "scale", SCALES, choice, on=choice.scale or "relative", at="lifts")
    if first is None:
        return [scale]
    kept = in_force(first)
    found = [scale]
    if first["readings"].get("adjusted"):
        on = choice.covariates or kept.covariates
        found.append(_switch("Covariates", "covariates", COVARIATES, choice, on=on, kept=kept.covariates, at="lifts"))
    if any((reading or {}).get("sequential") for reading in first["readings"].values()):
        on = choice.horizon or kept.horizon
        found.append(_switch("Horizon", "horizon", HORIZONS, choice, on=on, kept=kept.horizon, at="lifts"))
    return found


def focus(results: Json, choice: Choice, at: str, *, metrics: bool = True) -> list[Switch]:
    """One metric and one arm, for what would be too much at once. `at` is the section to come back to."""
    chosen = chosen_metric(results, choice)
    names = {m["metric"]: m["name"] for m in results["metrics"]}
    arms = {a["key"]: a["name"] or a["key"] for a in results["arms"] if a["key"] != results["control"]}
    found = (
        [_switch("Metric", "metric", names, choice, on=chosen["metric"], at=at)] if metrics and len(names) > 1 else []
    )
    if len(arms) > 1:
        found.append(_switch("Arm", "arm", arms, choice, on=chosen_arm(results, choice), at=at))
    return found


def chosen_metric(results: Json, choice: Choice) -> Json:
    """The one asked for, else the first goal."""
    metrics = results["metrics"]
    asked = [m for m in metrics if m["metric"] == choice.metric]
    found: Json = (asked or [m for m in metrics if m["role"] == "primary"] or metrics)[0]
    return found


def chosen_arm(results: Json, choice: Choice) -> str:
    arms = [str(a["key"]) for a in results["arms"] if a["key"] != results["control"]]
    return choice.arm if choice.arm in arms else arms[0] if arms else ""


def _switch(
    label: str, name: str, known: Mapping[str, str], choice: Choice, *, on: str, kept: str = "", at: str
) -> Switch:
    """`on` is shown, `kept` in force; the links come back to the section `at`."""
    options = [
        Option(text, choice.but(**{name: key, "rows": 1}) + f"#{at}", key == on, key == kept)
        for key, text in known.items()
    ]
    return Switch(label, options)
