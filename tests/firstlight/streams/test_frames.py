"""The bytes of a stream, as the two protocols and the standard of server-sent events read them."""

import json

from firstlight.streams import frames


def read(frame: bytes) -> dict[str, str]:
    """By the standard's own rules, for one event."""
    body, end = frame.decode()[:-2], frame[-2:]
    assert end == b"\n\n"
    return dict(line.split(": ", 1) for line in body.split("\n"))


def test_flags_are_to_be_evaluated_again() -> None:
    event = read(frames.refetch(812, 1_771_622_898))
    assert (event["id"], event["event"]) == ("812", "message")  # OFREP 0.3: always `message`, the type is in the data
    assert json.loads(event["data"]) == {"type": "refetchEvaluation", "etag": "812", "lastModified": 1_771_622_898}


def test_features_come_on_one_line() -> None:
    payload = json.dumps({"features": {"copy": {"defaultValue": "one\ntwo"}}}).encode()
    event = read(frames.features(9, payload))
    assert (event["id"], event["event"], event["data"].encode()) == ("9", "features", payload)


def test_a_beat_is_a_comment_and_the_beginning_says_when_to_come_again() -> None:
    assert frames.BEAT.startswith(b":") and frames.BEAT.endswith(b"\n\n")
    assert frames.begun(3_000) == b"retry: 3000\n\n"
