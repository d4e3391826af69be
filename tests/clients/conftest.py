"""A server that does what it is told, and clients that are closed at the end."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from firstlight_client import Firstlight, Options, Patience
from tests.clients.pretend import Shop

KEY = "fl_1_secret"


@pytest.fixture
def shop() -> Iterator[Shop]:
    shop = Shop()
    yield shop
    shop.close()


@pytest.fixture
def client(shop: Shop) -> Iterator[Callable[..., Firstlight]]:
    made: list[Firstlight] = []

    def make(folder: Any = None, *, local: bool = False, on_rejected: Any = None, **options: Any) -> Firstlight:
        options.setdefault("patience", Patience(deadline=10.0))  # of a busy machine; who watches clocks says so
        one = Firstlight(shop.url, KEY, folder=folder, local=local, on_rejected=on_rejected, options=Options(**options))
        made.append(one)
        return one

    yield make
    for one in made:
        one.close(0.1)
