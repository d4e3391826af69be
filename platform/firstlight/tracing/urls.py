"""Pages of traces, beside the console's own."""

from django.contrib import admin
from django.urls import path

from firstlight.tracing import pages, paths_pages

app_name = "tracing"
urlpatterns = [
    path("traces/", admin.site.admin_view(pages.listed), name="traces"),
    path("traces/<path:trace_id>/<slug:picture>.<slug:form>", admin.site.admin_view(pages.export), name="trace_export"),
    path("traces/<path:trace_id>/", admin.site.admin_view(pages.page), name="trace"),
    path("paths/<path:key>/<slug:picture>.<slug:form>", admin.site.admin_view(paths_pages.export), name="paths_export"),
    path("paths/<path:key>/", admin.site.admin_view(paths_pages.page), name="paths"),
]
