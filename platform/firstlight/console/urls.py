"""Pages of the console that belong to no model's admin. They stand before the admin's own under /admin/console/."""

from django.contrib import admin
from django.urls import path

from firstlight.console import metrics, scenarios, vega

app_name = "console"
urlpatterns = [
    path(f"vega-{vega.VERSION}.js", vega.bundle, name="vega"),
    path(
        "scenarios/<path:key>/<slug:picture>.<slug:form>",
        admin.site.admin_view(scenarios.export),
        name="scenario_export",
    ),
    path("scenarios/<path:key>/", admin.site.admin_view(scenarios.page), name="scenario"),
    path(
        "metrics/<path:key>/<slug:picture>.<slug:form>",
        admin.site.admin_view(metrics.export),
        name="metric_export",
    ),
    path("metrics/<path:key>/", admin.site.admin_view(metrics.page), name="metric"),
]
