"""A contextual model as bytes, with the encoding it was learned by: what a posterior keeps and a snapshot carries."""

from dataclasses import fields
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from bandits.policies import encoding
from bandits.policies.contextual import Model
from bandits.policies.encoding import Encoding


def pack(model: Model, encoded: Encoding) -> bytes:
    """msgpack; arrays as their shape and little-endian float64 in C order."""
    told = {field.name: getattr(model, field.name) for field in fields(model)}
    return msgspec.msgpack.encode({**{name: _plain(value) for name, value in told.items()}, "by": encoded.packed()})


def unpack(packed: bytes) -> tuple[Model, Encoding]:
    told = msgspec.msgpack.decode(packed)
    by = encoding.unpacked(told.pop("by"))
    return Model(**{name: _array(value) for name, value in told.items()}), by


def _plain(value: Any) -> Any:
    return {"shape": value.shape, "bytes": value.astype("<f8").tobytes()} if isinstance(value, np.ndarray) else value


def _array(value: Any) -> Any:
    return _shaped(value) if isinstance(value, dict) else value


def _shaped(value: dict[str, Any]) -> NDArray[np.float64]:
    return np.frombuffer(value["bytes"], "<f8").astype(np.float64).reshape(value["shape"])
