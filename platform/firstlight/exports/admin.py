"""Admin of exports: ask, watch, download."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminSplitDateTimeWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from firstlight.accounts.audited import ModelAdmin, actor
from firstlight.exports import jobs, tasks
from firstlight.exports.api import link_to, share_of
from firstlight.exports.formats import Format
from firstlight.exports.models import Job, State
from firstlight.exports.sources import Asked, Refused, checked, sources


class AskForm(forms.ModelForm[Job]):
    """What the API takes, as a form; `?kind=units&experiment=ranker` fills it in."""

    kind = forms.ChoiceField(choices=lambda: [(kind, kind) for kind in sources()], widget=UnfoldAdminSelectWidget)
    experiment = forms.CharField(
        required=False, max_length=100, widget=UnfoldAdminTextInputWidget, help_text="Its key."
    )
    campaign = forms.CharField(required=False, max_length=100, widget=UnfoldAdminTextInputWidget, help_text="Its key.")
    look = forms.IntegerField(
        required=False, min_value=1, help_text="Of results: one look; empty: all.", widget=UnfoldAdminTextInputWidget
    )
    segment = forms.CharField(
        required=False,
        max_length=200,
        help_text="Of results: country, or country:IN.",
        widget=UnfoldAdminTextInputWidget,
    )
    start = forms.SplitDateTimeField(required=False, widget=UnfoldAdminSplitDateTimeWidget)
    end = forms.SplitDateTimeField(required=False, widget=UnfoldAdminSplitDateTimeWidget)
    pseudonyms = forms.BooleanField(
        required=False,
        initial=True,
        widget=UnfoldBooleanSwitchWidget,
        help_text="Of units and events: names that tell nobody who they are.",
    )

    class Meta:
        model = Job
        fields = ("kind", "format")

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if self.errors:
            return given
        source = sources()[given["kind"]]
        wanted = {name: given[name] for name in source.takes if given.get(name)}
        self.asked = Asked(**wanted)
        try:
            checked(given["kind"], self.asked)
        except Refused as refusal:
            self.add_error(refusal.field if refusal.field in self.fields else None, str(refusal))
        return given


@admin.register(Job)
class JobAdmin(ModelAdmin[Job]):
    says_when_empty = "Take away results, decisions or what every unit did; a large table is made in the background."
    form = AskForm
    list_display = ["what", "format", "asked_by", "asked_at", "progress", "file"]
    list_filter = ["state", "kind"]
    search_fields = ["asked_by", "kind", "asked__experiment", "asked__campaign"]
    show_full_result_count = False
    compressed_fields = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Job]:
        self.request = request  # the link is absolute
        return super().get_queryset(request)

    @admin.display(description="Export", ordering="kind")
    def what(self, job: Job) -> str:
        return str(job)

    @admin.display(description="Progress")
    def progress(self, job: Job) -> SafeString:
        if job.state == State.FAILED:
            return format_html("failed: {}", job.failure)
        if job.state in (State.DONE, State.EXPIRED):
            return format_html("{} rows", f"{job.rows_done:,}")
        share = share_of(job)
        bar = format_html('<progress max="1" value="{}"></progress> ', share) if share is not None else ""
        return format_html("{}{} · {} rows", bar, job.get_state_display(), f"{job.rows_done:,}")

    @admin.display(description="File")
    def file(self, job: Job) -> SafeString | str:
        if job.state == State.EXPIRED:
            return "expired"
        link = link_to(self.request, job)
        if link is None:
            return "–"
        return format_html(
            '<a class="fl-button" href="{}">Download</a> until {} UTC', link, f"{job.expires_at:%-d %b, %H:%M}"
        )

    def get_fields(self, request: HttpRequest, obj: Job | None = None) -> list[Any]:
        if obj is None:
            return ["kind", "format", ("experiment", "campaign"), ("look", "segment"), ("start", "end"), "pseudonyms"]
        return ["what", "asked", "format", "asked_by", "asked_at", "progress", "finished_at", "n_bytes", "file"]

    def get_readonly_fields(self, request: HttpRequest, obj: Job | None = None) -> list[Any]:
        return [] if obj is None else self.get_fields(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: Job | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Job | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Job, form: Any, change: bool) -> None:
        form_ = Format(obj.format)
        made = jobs.ask(obj.kind, form_, form.asked, actor=actor(request.user), at=timezone.now())
        obj.pk, obj.key, obj.asked_at = made.pk, made.key, made.asked_at
        tasks.hand_over(made.key)

    def log_addition(self, request: HttpRequest, obj: Job, message: Any) -> Any:
        """The audit trail has it."""

    def response_add(self, request: HttpRequest, obj: Job, post_url_continue: str | None = None) -> HttpResponse:
        messages.success(request, "The export is on its way; reload to see how far it is.")
        return HttpResponseRedirect(reverse("admin:exports_job_changelist"))
