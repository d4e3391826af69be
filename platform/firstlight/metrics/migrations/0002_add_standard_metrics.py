"""The metrics every shop asks for first. A shop may change them; going back leaves them, experiments may use them."""

from typing import Any

from django.db import migrations

STANDARD: list[dict[str, Any]] = [
    {
        "key": "click_rate",
        "name": "Click rate",
        "description": "Clicks per impression, in the scenarios of the test.",
        "kind": "ratio",
        "numerator_event": "click",
        "denominator_event": "impression",
    },
    {
        "key": "click_through",
        "name": "Units that clicked",
        "description": "Share of the exposed units that clicked at least once, in the scenarios of the test.",
        "kind": "proportion",
        "numerator_event": "click",
    },
    {
        "key": "carts_per_unit",
        "name": "Carts per unit",
        "description": "Times something was put into the cart per exposed unit, in the scenarios of the test.",
        "kind": "mean",
        "numerator_event": "cart",
    },
    {
        "key": "conversion",
        "name": "Conversion",
        "description": "Share of the exposed units with an order, anywhere in the shop.",
        "kind": "proportion",
        "numerator_event": "order",
        "in_scenario": False,
        "objective": "platform",
    },
    {
        "key": "orders_per_unit",
        "name": "Orders per unit",
        "description": "Orders per exposed unit, anywhere in the shop.",
        "kind": "mean",
        "numerator_event": "order",
        "in_scenario": False,
        "objective": "platform",
    },
    {
        "key": "value_per_unit",
        "name": "Value per unit",
        "description": "Order value, before refunds and cancellations, per exposed unit, anywhere in the shop.",
        "kind": "mean",
        "numerator_event": "order",
        "numerator_value": "value",
        "in_scenario": False,
        "objective": "platform",
    },
    {
        "key": "order_value",
        "name": "Value per order",
        "description": "Order value, before refunds and cancellations, per order, anywhere in the shop.",
        "kind": "ratio",
        "numerator_event": "order",
        "numerator_value": "value",
        "denominator_event": "order",
        "in_scenario": False,
        "objective": "merchant",
    },
    {
        "key": "refund_rate",
        "name": "Refund rate",
        "description": "Refunded value per order value, anywhere in the shop.",
        "kind": "ratio",
        "numerator_event": "refund",
        "numerator_value": "value",
        "denominator_event": "order",
        "denominator_value": "value",
        "in_scenario": False,
        "direction": "decrease",
        "objective": "merchant",
    },
]


def add(apps: Any, schema_editor: Any) -> None:
    metrics = apps.get_model("metrics", "Metric").objects
    for values in STANDARD:
        metrics.get_or_create(key=values["key"], defaults=values)


class Migration(migrations.Migration):
    dependencies = [("metrics", "0001_initial")]

    operations = [migrations.RunPython(add, migrations.RunPython.noop)]
