"""The sidebar, in the product's own words; only what this person may see."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse_lazy

# (group, [(name, icon, model)]); a model is app_label.model_name
GROUPS = [
    (
        "Decide",
        [
            ("Experiments", "science", "experiments.experiment"),
            ("Discovery campaigns", "travel_explore", "bandits.campaign"),
            ("Layers", "layers", "experiments.layer"),
            ("Saved groups", "group_work", "experiments.savedgroup"),
        ],
    ),
    (
        "Measure",
        [
            ("Scenarios", "grid_view", "catalog.scenario"),
            ("Traces", "route", "lake.batch"),
            ("Metrics", "straighten", "metrics.metric"),
            ("Currency rates", "currency_exchange", "metrics.rate"),
        ],
    ),
    ("Objectives", [("Weights", "balance", "objectives.weights")]),
    (
        "Catalogue",
        [
            ("Items", "sell", "catalog.item"),
            ("Merchants", "storefront", "catalog.merchant"),
            ("Categories", "category", "catalog.category"),
        ],
    ),
    (
        "People and keys",
        [
            ("People", "person", "accounts.user"),
            ("Roles", "badge", "auth.group"),
            ("API keys", "key", "accounts.apikey"),
            ("Client keys", "public", "accounts.clientkey"),
            ("Audit trail", "history", "accounts.auditentry"),
        ],
    ),
    (
        "Operations",
        [("Lake batches", "water", "lake.batch"), ("Snapshots", "photo_camera", "snapshots.version")],
    ),
    (
        "Tell",
        [
            ("Notices", "notifications", "notices.notice"),
            ("My subscription", "mail", "notices.subscription"),
            ("Webhooks", "webhook", "notices.webhook"),
            ("Deliveries", "outbox", "notices.delivery"),
            ("Exports", "download", "exports.job"),
        ],
    ),
]

PAGES = {"Traces": "tracing:traces"}  # of the console's own, beside the lists of models


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    home = {"title": "", "items": [{"title": "Overview", "icon": "wb_twilight", "link": reverse_lazy("admin:index")}]}
    groups = [{"title": title, "separator": False, "items": _items(request, items)} for title, items in GROUPS]
    return [home, *(group for group in groups if group["items"])]


def _items(request: HttpRequest, items: list[tuple[str, str, str]]) -> list[dict[str, Any]]:
    return [
        {"title": title, "icon": icon, "link": reverse_lazy(PAGES.get(title) or _list_of(model))}
        for title, icon, model in items
        if may_see(request, model)
    ]


def _list_of(model: str) -> str:
    return f"admin:{model.replace('.', '_')}_changelist"


def may_see(request: HttpRequest, model: str) -> bool:
    """Whether this person may view rows of `app_label.model_name`; who may change them may view them."""
    app, name = model.split(".")
    return any(request.user.has_perm(f"{app}.{verb}_{name}") for verb in ("view", "change"))
