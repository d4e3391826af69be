"""What is said on a stream, in the words of each protocol. Pure.

Sources: OFREP 0.3, service/event-streams.yaml; the npm SDK of GrowthBook, feature-repository.
"""

import msgspec

BEAT = b": still here\n\n"  # a comment, which nobody's handler sees


def begun(retry: int) -> bytes:
    """`retry`: milliseconds that a client waits before it connects again."""
    return b"retry: %d\n\n" % retry


def refetch(number: int, at: int) -> bytes:
    """Flags are to be evaluated again; `at` in seconds since 1970."""
    told = {"type": "refetchEvaluation", "etag": str(number), "lastModified": at}
    return _event("message", number, msgspec.json.encode(told))


def features(number: int, payload: bytes) -> bytes:
    """`payload` is the document of /api/features, on one line as JSON is written here."""
    return _event("features", number, payload)


def _event(name: str, number: int, data: bytes) -> bytes:
    return b"id: %d\nevent: %b\ndata: %b\n\n" % (number, name.encode(), data)
