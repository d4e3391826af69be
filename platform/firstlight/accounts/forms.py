"""Form fields that several rooms' admin pages share; here because this is the lowest room with an admin."""

import json
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from unfold.widgets import UnfoldAdminTextareaWidget


class JsonField(forms.JSONField):
    """JSON as people type it: nothing is shown as nothing, and a mistake is told by its place."""

    def __init__(self, example: str, **kwargs: Any) -> None:
        look = {"class": "fl-json", "rows": 1, "placeholder": example, "spellcheck": "false"}
        super().__init__(widget=UnfoldAdminTextareaWidget(attrs=look), required=False, **kwargs)

    def prepare_value(self, value: Any) -> Any:
        return "" if value in (None, {}, []) else super().prepare_value(value)

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return (self.to_python(data) or None) != (initial or None)
        except ValidationError:
            return True

    def to_python(self, value: Any) -> Any:
        try:
            return super().to_python(value)
        except ValidationError as refusal:
            raise ValidationError(f"This is not JSON: {_where(str(value))}.") from refusal


def _where(text: str) -> str:
    try:
        json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        at = f" at character {error.pos + 1}" if isinstance(error, json.JSONDecodeError) else ""
        message = error.msg if isinstance(error, json.JSONDecodeError) else "nested too deep"
        return f"{message[:1].lower()}{message[1:]}{at}"
    return "unexpected text"
