"""Two arms compared by the method that their metric asks for."""

from firstlight.kernel.moments import Moments
from firstlight.kernel.withheld import Withheld
from firstlight.stats import levels, newcombe, welch
from firstlight.stats.estimates import Comparison
from firstlight.stats.levels import Level
from firstlight.stats.newcombe import Share
from firstlight.stats.tails import Evidence

METHODS = {"proportion": "welch", "mean": "welch", "ratio": "delta"}


def level(kind: str, moments: Moments) -> Level | Withheld:
    """The arm's mean or ratio; `kind` is proportion, mean or ratio."""
    return levels.ratio(moments) if kind == "ratio" else levels.mean(moments)


def compare(kind: str, control: Moments, treatment: Moments, confidence: float) -> Comparison:
    """Treatment against control, two-sided at `confidence` (a fraction)."""
    c, t = level(kind, control), level(kind, treatment)
    if isinstance(c, Withheld) or isinstance(t, Withheld):
        blank = c if isinstance(c, Withheld) else t
        assert isinstance(blank, Withheld)
        return Comparison(METHODS[kind], blank, blank, blank)
    if shares := _small(kind, control, treatment):
        return newcombe.compare(*shares, confidence)
    return welch.compare(c, t, confidence, METHODS[kind])


def evidence(kind: str, control: Moments, treatment: Moments, *, factor: float) -> Evidence | Withheld:
    """Of treatment - factor·control, by the same method as `compare`."""
    c, t = level(kind, control), level(kind, treatment)
    if isinstance(c, Withheld):
        return c
    if isinstance(t, Withheld):
        return t
    if shares := _small(kind, control, treatment):
        return newcombe.evidence(*shares, factor=factor)
    return welch.evidence(c, t, factor=factor)


def _small(kind: str, control: Moments, treatment: Moments) -> tuple[Share, Share] | None:
    """Both arms as counts, when one of the four cells is small."""
    if kind != "proportion":
        return None
    c, t = (Share(m.n, float(round(m.n * float(m.mean[0])))) for m in (control, treatment))
    return (c, t) if c.is_small or t.is_small else None
