"""The ledger of the lake, to read."""

from django.contrib import admin

from firstlight.accounts.audited import ShownAdmin
from firstlight.lake.models import Batch


@admin.register(Batch)
class BatchAdmin(ShownAdmin[Batch]):
    list_display = ["number", "n_events", "drawn_at", "committed_at"]
    show_full_result_count = False
