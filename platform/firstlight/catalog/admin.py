"""Admin of what the shop has."""

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from firstlight.accounts.audited import AuditedAdmin
from firstlight.catalog.models import Category, Item, Merchant, Scenario


@admin.register(Scenario)
class ScenarioAdmin(AuditedAdmin[Scenario]):
    says_when_empty = "A scenario is a place of the shop: home feed, search, a product list. Make the first."
    list_display = ["name", "key", "what_happens", "created_at"]
    search_fields = ["key", "name"]
    fields = ["name", "key", "description"]
    list_before_template = "catalog/scenarios_help.html"

    @admin.display(description="What happens there")
    def what_happens(self, scenario: Scenario) -> SafeString:
        return format_html(
            '<a class="fl-link" href="{}">Metrics →</a>', reverse("console:scenario", args=[scenario.key])
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Scenario | None = None) -> list[str]:
        return ["key"] if obj else []  # events and snapshots name it by its key


class _KeyFixed(AuditedAdmin[Item]):
    def get_readonly_fields(self, request: HttpRequest, obj: Item | None = None) -> list[str]:
        return ["key"] if obj else []  # events name it by its key


@admin.register(Item)
class ItemAdmin(_KeyFixed):
    says_when_empty = "Items come by PUT /api/v1/items/, up to 10,000 at once, or one by one here."
    list_display = ["key", "title", "merchant", "category", "cost", "in_stock", "listed_at"]
    list_filter = ["in_stock", "category"]
    list_select_related = ["merchant", "category"]
    search_fields = ["key", "title", "tags"]
    autocomplete_fields = ["merchant", "category"]
    show_full_result_count = False
    fieldsets = [
        (None, {"fields": [("key", "title"), ("merchant", "category"), "tags"]}),
        ("Offer", {"fields": [("price", "currency", "country"), ("in_stock", "listed_at")]}),
    ]

    @admin.display(description="Price", ordering="price")
    def cost(self, item: Item) -> str:
        return f"{item.price:,.2f} {item.currency}" if item.price is not None else "–"


@admin.register(Merchant, Category)
class ShelfAdmin(_KeyFixed):
    list_display = ["key", "name"]
    search_fields = ["key", "name"]
    fields = ["key", "name"]
