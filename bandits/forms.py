"""The form of a campaign: every refusal stands beside the field it is about, in words."""

import re
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminTextareaWidget

from bandits import plan
from bandits.models import MOST_ITEMS, Campaign, Guard, all_guards
from firstlight.catalog.models import Item

LONGEST = 200  # characters of a key


class KeysField(forms.CharField):
    """Keys separated by commas or lines, each once, in the order given."""

    def __init__(self, *, at_most: int, rows: int = 1, **kwargs: Any) -> None:
        look = {"rows": rows, "class": "fl-json", "spellcheck": "false"}
        super().__init__(widget=UnfoldAdminTextareaWidget(attrs=look), required=False, **kwargs)
        self.at_most = at_most

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(value) if isinstance(value, list) else value

    def clean(self, value: Any) -> Any:
        keys = list(dict.fromkeys(key for part in re.split(r"[,\n]", value or "") if (key := part.strip())))
        if len(keys) > self.at_most:
            raise ValidationError(f"At most {self.at_most:,}.")
        if long := [key for key in keys if len(key) > LONGEST or "\0" in key]:
            raise ValidationError(f"“{long[0][:40]}…” is no key: at most {LONGEST} characters.")
        return keys

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return bool(self.clean(data) != list(initial or []))
        except ValidationError:
            return True


class CampaignForm(forms.ModelForm[Campaign]):
    segments = KeysField(at_most=50, help_text="Values that get a table of their own: IN, BR. All others share one.")
    pool_tags = KeysField(label="Tags", at_most=1_000, help_text="Any of these tags.")
    pool_countries = KeysField(label="Countries", at_most=250, help_text="Where the item ships from: IN, CN.")
    pool_items = KeysField(
        label="Picked by hand",
        at_most=MOST_ITEMS,
        rows=2,
        help_text="Keys, by comma or line: they take part whatever the rule says.",
    )
    pool_excluded = KeysField(label="Excluded", at_most=MOST_ITEMS, rows=2, help_text="They never take part.")
    guards = forms.MultipleChoiceField(
        choices=Guard.choices,
        initial=all_guards,
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="Compared with the control share; one that gets worse by more than the margin pauses the campaign.",
    )

    class Meta:
        labels = {
            "pool_tags": "Tags",
            "pool_countries": "Countries",
            "pool_items": "Picked by hand",
            "pool_excluded": "Excluded",
            "pool_by_rule": "By the rule below",
            "pool_categories": "Categories",
            "pool_merchants": "Merchants",
            "pool_max_age_days": "Listed at most so many days ago",
            "pool_in_stock": "In stock only",
            "pool_price_from": "Price from",
            "pool_price_to": "Price to",
            "pool_currency": "Currency of the prices",
            "most_per_page": "Most of its items on a page",
            "merchant_cap": "Most of one merchant on a page",
            "segment_by": "Learn apart by",
            "attribution_hours": "Attribution time in hours",
            "value_cap": "Most that one impression counts",
            "value_currency": "Currency",
            "half_life_days": "Half-life in days",
            "least_age_hours": "Least age in hours",
            "item_guarantee": "Guaranteed impressions of an item",
            "guarantee_days": "Within so many days",
            "item_cap": "Most impressions of an item",
            "daily_budget": "Impressions a day",
            "merchant_share_cap": "Most of one merchant's share",
            "merchant_floor": "Share for all merchants alike",
            "unit": "Who is held apart",
            "graduates": "Items leave the pool when it is known what they are",
        }
        help_texts = {
            "key": "What events and answers call it. It cannot change later.",
            "positions": "Slots of the page that the campaign fills, separated by commas: 3, 8.",
            "pool_categories": "Empty: all categories.",
            "pool_merchants": "Empty: all merchants.",
            "pool_max_age_days": "Empty: of any age.",
            "pool_price_from": "Empty: no limit.",
            "pool_price_to": "Empty: no limit.",
            "daily_budget": "Most on a UTC day. Empty: all that its slots get. It may change while it runs.",
            "most_per_page": "Empty: as many as it has slots.",
            "merchant_cap": "Empty: no limit.",
            "item_guarantee": "Empty: none.",
            "item_cap": "Empty: no limit.",
            "guard_margin": "How much worse than its control share the scenario may be: 0.05 is 5 %. It may change "
            "while it runs.",
        }

    def clean_positions(self) -> list[int]:
        return sorted(self.cleaned_data["positions"])

    def clean_pool_items(self) -> list[str]:
        picked: list[str] = self.cleaned_data["pool_items"]
        if absent := unknown(picked, but=self.instance.pool_items):
            raise ValidationError(f"The catalogue has no “{absent[0]}”.")
        return picked

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        for field, sentence in plan.faults(given).items():
            if field in self.fields and field not in self.errors:
                self.add_error(field, sentence)
        return given


def unknown(keys: list[str], *, but: list[str]) -> list[str]:
    """Those that the catalogue does not have, in order; who was taken once may have left it since."""
    known = {*but, *Item.objects.filter(key__in=keys).values_list("key", flat=True)}
    return [key for key in keys if key not in known]
