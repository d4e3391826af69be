"""What is sent: the same fact as JSON for machines and as a short letter for people. Pure."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from firstlight.notices.models import Notice


def body(notice: Notice) -> bytes:
    """Type, timestamp and data, as Standard Webhooks recommends; the same bytes at every try."""
    data = {"subject": notice.subject, "sentence": notice.sentence, "evidence": notice.evidence}
    return msgspec.json.encode({"type": notice.kind, "timestamp": _written(notice.at), "data": data})


def name(notice: Notice) -> str:
    """Of the message, the same at every try."""
    return f"notice_{notice.pk}"


def letter(notice: Notice, address: str) -> tuple[str, str]:
    """(subject line, text) of an e-mail; `address` of the site, or "" when none is set."""
    link = f"\n{address.rstrip('/')}/admin/\n" if address else ""
    lines = [notice.sentence, "", *_figures(notice.evidence), "", f"{notice.kind} · {_written(notice.at)}"]
    headline = " ".join(f"{notice.subject}: {notice.sentence}".split())
    return headline if len(headline) <= 120 else headline[:119] + "…", "\n".join(lines) + link


def _figures(evidence: dict[str, Any]) -> list[str]:
    """Plain figures one to a line; what is nested is for machines."""
    return [
        f"{key.replace('_', ' ')}: {value}" for key, value in evidence.items() if not isinstance(value, dict | list)
    ]


def _written(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
