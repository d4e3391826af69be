"""Clients of the REST API."""

import json
from functools import partial
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from firstlight.accounts import keys
from firstlight.accounts.models import User
from firstlight.catalog.models import Scenario

ALL = ("read", "manage")


class ApiClient(Client):
    """Speaks JSON with an API key, and checks that every refusal is a problem document."""

    with_token: Any  # `send` with the CSRF token of a session

    def request(self, **request):
        response = super().request(**request)
        if response.status_code >= 400 and response.request["PATH_INFO"].startswith("/api/"):
            assert response["Content-Type"] == "application/problem+json"
            document = response.json()
            assert document["status"] == response.status_code
            assert document["title"]
            assert document["detail"]
        return response

    def send(self, method, path, body=None, **extra):
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        return self.generic(method.upper(), f"/api/v1{path}", data, "application/json", **extra)


@pytest.fixture
def client_with(db):
    """A client with a key: `client_with(["read"], scenarios=["home_feed"])`."""

    def make(scopes=ALL, scenarios=()):
        _, text = keys.create("test", scopes, scenarios, "ada")
        return ApiClient(headers={"Authorization": f"Bearer {text}"})

    return make


@pytest.fixture
def api(client_with):
    return client_with()


@pytest.fixture
def person(db):
    """A client with the session of somebody with this role."""

    def make(role=None):
        user = User.objects.create(username=f"some {role}")
        user.groups.set(Group.objects.filter(name=role))
        client = ApiClient(enforce_csrf_checks=True)
        client.force_login(user)
        client.cookies["csrftoken"] = "t" * 32
        client.with_token = partial(client.send, headers={"X-CSRFToken": "t" * 32})
        return client

    return make


@pytest.fixture
def scenarios(db):
    return [Scenario.objects.create(key=key, name=key) for key in ("home_feed", "search")]


def pointers(response):
    assert response.status_code == 422, response.content
    return {place.get("pointer", place.get("parameter")) for place in response.json()["errors"]}
