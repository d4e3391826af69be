"""What the pages of the console are written with."""

from typing import Any

from django import template
from django.urls import reverse

from firstlight.console import words
from firstlight.console.pictures import Picture
from firstlight.console.theme import THEMES

register = template.Library()

for name in ("count", "percent", "lift", "number", "p_value", "ago", "purse"):
    register.filter(name, getattr(words, name))


@register.inclusion_tag("console/picture.html")
def picture(picture: Picture, export: str, query: str = "") -> dict[str, Any]:
    """The chart in a card, with the ways to take it away. `export` is the address of the folder they lie in."""
    links = [(form, f"{export}{picture.key}.{form.lower()}{query}") for form in ("PNG", "SVG", "CSV")]
    return {"picture": picture, "links": links}


@register.inclusion_tag("console/charting.html")
def charting() -> dict[str, Any]:
    """Once on a page with pictures: the script that draws and the two themes."""
    return {"vega": reverse("console:vega"), "themes": THEMES}


@register.inclusion_tag("console/badge.html")
def badge(text: str, tone: str = "neutral") -> dict[str, str]:
    return {"text": text, "tone": tone}
