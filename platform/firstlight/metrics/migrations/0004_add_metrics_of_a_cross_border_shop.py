"""More metrics that shops ask for, and version 1 of every metric there is.

A shop may change them; going back leaves them, experiments may use them.
"""

from typing import Any

from django.db import migrations
from django.utils import timezone

MORE: list[dict[str, Any]] = [
    {
        "key": "revisit_d1_d7",
        "name": "Revisit on days 1 to 7",
        "description": "Share of the exposed units that saw an item again 24 to 192 hours after their first exposure, "
        "anywhere in the shop. A unit counts once its week is over.",
        "kind": "retention",
        "numerator_event": "impression",
        "delay_hours": 24,
        "window_hours": 192,
        "maturity_hours": 1,
        "in_scenario": False,
    },
    {
        "key": "repurchase_30d",
        "name": "Order on days 1 to 30",
        "description": "Share of the exposed units that ordered 1 to 30 days after their first exposure, so not on "
        "the spot, anywhere in the shop. A unit counts once its month is over.",
        "kind": "retention",
        "numerator_event": "order",
        "delay_hours": 24,
        "window_hours": 720,
        "maturity_hours": 1,
        "in_scenario": False,
        "objective": "platform",
    },
    {
        "key": "net_value_per_unit",
        "name": "Net value per unit",
        "description": "Order value less refunds and cancellations in the 21 days from exposure, per exposed unit, "
        "anywhere in the shop, cut at the P99.9 of buyers. A unit counts a day after its window has closed.",
        "kind": "mean",
        "numerator_event": "order",
        "numerator_value": "net",
        "window_hours": 504,
        "maturity_hours": 24,
        "in_scenario": False,
        "cap_share": 0.999,
        "objective": "platform",
    },
    {
        "key": "impression_to_order",
        "name": "From impression to order",
        "description": "Share of units that saw, clicked and ordered in this order within a week, of those that saw "
        "anything, anywhere in the shop.",
        "kind": "funnel",
        "numerator_event": "",
        "steps": [
            {"event": "impression", "filters": []},
            {"event": "click", "filters": []},
            {"event": "order", "filters": []},
        ],
        "window_hours": 168,
        "in_scenario": False,
        "objective": "platform",
    },
    {
        "key": "items_discovered",
        "name": "Items discovered per unit",
        "description": "Different items clicked per exposed unit, in the scenarios of the test.",
        "kind": "mean",
        "numerator_event": "click",
        "numerator_value": "distinct",
        "numerator_field": "item_id",
    },
    {
        "key": "merchants_discovered",
        "name": "Merchants discovered per unit",
        "description": "Different merchants whose items were clicked per exposed unit, in the scenarios of the test. "
        "Needs merchant_id on clicks.",
        "kind": "mean",
        "numerator_event": "click",
        "numerator_value": "distinct",
        "numerator_field": "merchant_id",
        "objective": "merchant",
    },
    {
        "key": "categories_discovered",
        "name": "Categories discovered per unit",
        "description": "Different categories of the items clicked per exposed unit, in the scenarios of the test, as "
        "the catalogue has them when the look is made.",
        "kind": "mean",
        "numerator_event": "click",
        "numerator_value": "distinct",
        "numerator_field": "category",
    },
    {
        "key": "order_value_p90",
        "name": "P90 of value per order",
        "description": "Value that nine of ten orders stay under, anywhere in the shop.",
        "kind": "quantile",
        "numerator_event": "order",
        "numerator_value": "value",
        "quantile": 0.9,
        "per": "event",
        "in_scenario": False,
        "objective": "merchant",
    },
    {
        "key": "sessions_per_unit",
        "name": "Sessions per unit",
        "description": "Different sessions with an impression per exposed unit, anywhere in the shop. Needs "
        "session_id on impressions.",
        "kind": "mean",
        "numerator_event": "impression",
        "numerator_value": "distinct",
        "numerator_field": "session_id",
        "in_scenario": False,
    },
    {
        "key": "value_p90",
        "name": "P90 of value per unit",
        "description": "Order value that nine of ten exposed units stay under, anywhere in the shop; 0 while fewer "
        "than one in ten orders.",
        "kind": "quantile",
        "numerator_event": "order",
        "numerator_value": "value",
        "quantile": 0.9,
        "in_scenario": False,
        "objective": "merchant",
    },
    {
        "key": "cancel_rate",
        "name": "Cancellation rate",
        "description": "Cancellations per order, anywhere in the shop.",
        "kind": "ratio",
        "numerator_event": "cancel",
        "denominator_event": "order",
        "in_scenario": False,
        "direction": "decrease",
        "objective": "merchant",
    },
    {
        "key": "cart_rate",
        "name": "Cart rate",
        "description": "Times something was put into the cart per click, in the scenarios of the test.",
        "kind": "ratio",
        "numerator_event": "cart",
        "denominator_event": "click",
    },
]
ALIKE = [
    "delay_hours",
    "window_hours",
    "maturity_hours",
    "in_scenario",
    "direction",
    "objective",
    "cap_value",
    "cap_share",
    "currency",
    "quantile",
    "per",
    "covariate_days",
    "kind",
]


def add(apps: Any, schema_editor: Any) -> None:
    metrics = apps.get_model("metrics", "Metric").objects
    versions = apps.get_model("metrics", "MetricVersion").objects
    for values in MORE:
        metrics.get_or_create(key=values["key"], defaults=values)
    for metric in metrics.filter(versions=None):
        about = {"definition": stored(metric), "changed_by": "migration", "at": timezone.now()}
        versions.create(metric=metric, number=1, note="as it was when versions began", **about)


def stored(metric: Any) -> dict[str, Any]:
    """As `Definition.stored` wrote it when this migration was made."""
    steps = [source(step["event"], "count", step["filters"]) for step in metric.steps]
    top = source(metric.numerator_event, metric.numerator_value, metric.numerator_filter, metric.numerator_field)
    below = source(metric.denominator_event, metric.denominator_value, metric.denominator_filter)
    return {
        **{name: getattr(metric, name) for name in ALIKE if hasattr(metric, name)},
        "numerator": steps[-1] if steps else top,
        "denominator": below if metric.denominator_event else None,
        "steps": steps,
    }


def source(event: str, adds: str, filters: list[Any], field: str = "") -> dict[str, Any]:
    return {"event": event, "adds": adds or "count", "filters": filters, "field": field}


class Migration(migrations.Migration):
    dependencies = [("metrics", "0003_define_every_kind_of_metric")]

    operations = [migrations.RunPython(add, migrations.RunPython.noop)]
