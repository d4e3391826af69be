"""Published versions, to read."""

from django.contrib import admin

from firstlight.accounts.audited import ShownAdmin
from firstlight.snapshots.models import Version


@admin.register(Version)
class VersionAdmin(ShownAdmin[Version]):
    list_display = ["number", "created_at", "holds"]
    show_full_result_count = False

    @admin.display(description="Holds")
    def holds(self, version: Version) -> str:
        return (
            ", ".join(f"{len(parts)} {section}" for section, parts in sorted(version.parts.items()) if parts)
            or "nothing"
        )
