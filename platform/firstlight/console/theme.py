"""Colours and type of the charts, light and dark, and where the admin finds the look."""

from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static

# Middle tones, so that the same mark is legible (3:1 and more) on white and on the dark page.
BETTER, WORSE, UNSETTLED = "#1f9d6b", "#d9485f", "#7587a0"
SERIES = ["#4f7fe0", "#c97a12", "#159a9c", "#9a6be0", "#d75c93", "#6f9a2f", "#b9714b", "#7587a0"]
TONES = {"better": BETTER, "worse": WORSE, "unsettled": UNSETTLED, "withheld": UNSETTLED, "neutral": SERIES[0]}
FONT = "Inter, ui-sans-serif, system-ui, sans-serif"


def config(*, dark: bool) -> dict[str, Any]:
    """A Vega-Lite `config`. Marks name a style (`zero`, `margin`, `title`, `note`, …), and the style has the colour."""
    strong, plain, faint, line = (
        ("#f1f5f9", "#b6c2d1", "#8494a8", "#334155") if dark else ("#0f172a", "#475569", "#64748b", "#dbe2ea")
    )
    return {
        "background": None,
        "font": FONT,
        "view": {"stroke": None},
        "range": {"category": SERIES},
        "axis": {
            "labelColor": plain,
            "titleColor": faint,
            "gridColor": line,
            "domainColor": line,
            "tickColor": line,
            "gridOpacity": 0.7,
            "labelFontSize": 12,
            "titleFontSize": 12,
            "titleFontWeight": "normal",
            "labelPadding": 6,
            "titlePadding": 10,
            "domain": False,
            "ticks": False,
        },
        "legend": {
            "labelColor": plain,
            "titleColor": faint,
            "labelFontSize": 12,
            "titleFontSize": 12,
            "orient": "top",
            "symbolType": "circle",
            "title": None,
            "labelLimit": 260,
            "columns": 4,
        },
        "line": {"strokeWidth": 2.25, "strokeJoin": "round"},
        "style": {
            "zero": {"color": faint, "strokeWidth": 1.25},
            "margin": {"color": WORSE, "strokeWidth": 1.25, "strokeDash": [3, 3]},
            "title": {"color": strong, "fontSize": 13, "fontWeight": 600},
            "note": {"color": plain, "fontSize": 12},
            "faint": {"color": faint, "fontSize": 12},
            "track": {"color": line},
            "cell": {"color": strong, "fontSize": 11.5},
            "link": {"color": faint, "strokeWidth": 1, "strokeDash": [2, 2]},
            "whisker": {"color": strong, "strokeWidth": 1.25, "opacity": 0.7},
            "bound": {"color": faint, "strokeWidth": 1.5, "strokeDash": [5, 3]},
        },
    }


THEMES = {"light": config(dark=False), "dark": config(dark=True)}


_PRIMARY = {  # weight: lightness and chroma of one blue
    50: "97% .014", 100: "93.6% .032", 200: "88.6% .06", 300: "81% .105", 400: "71% .155", 500: "62% .19",
    600: "53% .195", 700: "47% .185", 800: "41% .155", 900: "36% .125", 950: "27% .085",
}  # fmt: skip


def primary(request: HttpRequest) -> dict[str, str]:
    """Fresh each time: unfold changes what it is given."""
    return {str(weight): f"oklch({tone} 262)" for weight, tone in _PRIMARY.items()}


def stylesheet(request: HttpRequest) -> str:
    return static("console/console.css")


def script(request: HttpRequest) -> str:
    return static("console/console.js")


def favicon(request: HttpRequest) -> str:
    return static("console/favicon.svg")
