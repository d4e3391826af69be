"""POST /api/v1/events: accepted only once durable."""

from datetime import UTC, datetime

import msgspec

from firstlight.accounts.keys import HeldKey
from firstlight.events import inbox, parse
from firstlight.serving import access, limits, wire
from firstlight.serving.wire import Answer, Environ, Refusal

RETRY_AFTER = (("Retry-After", "2"),)  # seconds; an embedded or failed-over server is back within a few


def ingest(environ: Environ) -> Answer:
    held = access.snapshot()
    key = access.admit(environ, held, "ingest")
    with limits.events:
        return _ingested(environ, key)


def _ingested(environ: Environ, key: HeldKey) -> Answer:
    content_type = wire.media_type(environ, "application/json", "application/x-ndjson")
    body = wire.body(environ)
    try:
        parsed = parse.parse(
            body,
            content_type,
            at=datetime.now(UTC),
            may_backfill="backfill" in key.scopes,
            scenarios=key.scenarios or None,
        )
        stored = inbox.store(parsed.rows)
    except parse.Malformed as error:
        raise Refusal(400, str(error)) from error
    except RecursionError as error:
        raise Refusal(400, "The body is nested too deep.") from error
    except parse.TooMany as error:
        raise Refusal(413, str(error)) from error
    except inbox.Unavailable as error:
        raise Refusal(503, "The database is away; nothing was accepted.", headers=RETRY_AFTER) from error
    told = {"accepted": stored.accepted, "duplicates": stored.duplicates, "rejected": parsed.rejected}
    return Answer(200, msgspec.json.encode(told))
