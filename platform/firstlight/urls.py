"""Addresses. The hot paths (allocations, events) are answered before Django, in wsgi.py."""

from typing import Any

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path, re_path
from drf_spectacular.views import SpectacularJSONAPIView, SpectacularSwaggerView
from rest_framework.routers import SimpleRouter

from bandits import api as bandits
from experiments import api as experiments
from experiments import preview_links
from firstlight.accounts import api as accounts
from firstlight.catalog import api as catalog
from firstlight.doors import refusals
from firstlight.exports import api as exports
from firstlight.metrics import api as metrics
from firstlight.notices import api as notices
from firstlight.objectives import api as objectives
from firstlight.snapshots import api as snapshots
from firstlight.tracing import api as tracing

LIST: dict[str, Any] = {"get": "list", "put": "update"}
ONE: dict[str, Any] = {"get": "retrieve", "put": "update"}

router = SimpleRouter()
router.register("scenarios", catalog.Scenarios, "scenario")
router.register("layers", experiments.Layers, "layer")
router.register("groups", experiments.Groups, "group")
router.register("experiments", experiments.Experiments, "experiment")
router.register("campaigns", bandits.Campaigns, "campaign")
router.register("metrics", metrics.Metrics, "metric")
router.register("webhooks", notices.Webhooks, "webhook")
router.register("client-keys", accounts.ClientKeys, "client-key")
router.register("exports", exports.Exports, "export")
router.register("snapshots", snapshots.Snapshots, "snapshot")

v1: list[URLPattern | URLResolver] = [
    *router.urls,
    path("scenarios/<str:key>/metrics", metrics.ScenarioMetrics.as_view({"get": "retrieve"})),
    path("scenarios/<str:key>/paths/", tracing.ScenarioPaths.as_view({"get": "retrieve"})),
    path("items/", catalog.Items.as_view(LIST)),
    path("merchants/", catalog.Merchants.as_view(LIST)),
    path("rates/", metrics.CurrencyRates.as_view(LIST)),
    path("objectives/", objectives.Objectives.as_view({"get": "list"})),
    path("objectives/<str:scenario>/", objectives.Objectives.as_view(ONE)),
    path("traces/<str:trace_id>/", tracing.TraceView.as_view()),
]

urlpatterns: list[URLPattern | URLResolver] = [
    path("api/v1/", include(v1)),
    path("api/schema/", SpectacularJSONAPIView.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerView.as_view(url_name="schema")),
    re_path("^api/(?P<path>.*)$", refusals.absent),
    path("admin/console/", include("firstlight.console.urls")),
    path("admin/console/", include("firstlight.tracing.urls")),
    path("admin/", admin.site.urls),
    path("preview", preview_links.page, name="preview_link"),
]

handler400, handler403, handler404, handler500 = (
    f"firstlight.doors.refusals.{name}" for name in ("bad_request", "forbidden", "not_found", "failed")
)
