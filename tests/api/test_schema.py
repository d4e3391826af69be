"""The generated OpenAPI document, and what the page that shows it needs."""

import json
import re

import msgspec
import pytest
from django.test import Client

from firstlight.events import parse
from firstlight.serving import questions

CONTROL = """
GET POST           /api/v1/scenarios/
GET PATCH          /api/v1/scenarios/{key}/
GET                /api/v1/scenarios/{key}/metrics
GET                /api/v1/scenarios/{key}/paths/
GET POST           /api/v1/metrics/
GET PATCH          /api/v1/metrics/{key}/
GET                /api/v1/metrics/{key}/versions/
GET PUT            /api/v1/rates/
GET POST           /api/v1/layers/
GET PATCH          /api/v1/layers/{key}/
GET POST           /api/v1/experiments/
GET PATCH          /api/v1/experiments/{key}/
POST               /api/v1/experiments/{key}/submit/
POST               /api/v1/experiments/{key}/preview/
POST               /api/v1/experiments/{key}/testers/
GET POST           /api/v1/groups/
DELETE GET PATCH   /api/v1/groups/{key}/
POST               /api/v1/experiments/{key}/approve/
POST               /api/v1/experiments/{key}/return/
POST               /api/v1/experiments/{key}/schedule/
POST               /api/v1/experiments/{key}/start/
POST               /api/v1/experiments/{key}/pause/
POST               /api/v1/experiments/{key}/resume/
POST               /api/v1/experiments/{key}/stop/
POST               /api/v1/experiments/{key}/decide/
POST               /api/v1/experiments/{key}/ship/
POST               /api/v1/experiments/{key}/archive/
POST               /api/v1/experiments/{key}/copy/
POST               /api/v1/experiments/{key}/weights/
POST               /api/v1/experiments/{key}/remove_arm/
GET POST           /api/v1/experiments/{key}/ramp/
GET                /api/v1/experiments/{key}/checklist/
POST               /api/v1/experiments/{key}/power/
GET POST           /api/v1/experiments/{key}/comments/
GET                /api/v1/experiments/{key}/looks/
GET                /api/v1/experiments/{key}/results/
POST               /api/v1/experiments/{key}/results/refresh/
GET                /api/v1/experiments/{key}/results/progress/
POST               /api/v1/experiments/{key}/results/redraw/
GET                /api/v1/experiments/{key}/results/redrawn/
GET POST           /api/v1/campaigns/
GET PATCH          /api/v1/campaigns/{key}/
POST               /api/v1/campaigns/pool/
POST               /api/v1/campaigns/{key}/start/
POST               /api/v1/campaigns/{key}/pause/
POST               /api/v1/campaigns/{key}/resume/
POST               /api/v1/campaigns/{key}/stop/
GET                /api/v1/campaigns/{key}/items/
GET                /api/v1/campaigns/{key}/posterior/
GET                /api/v1/campaigns/{key}/evaluation/
GET                /api/v1/campaigns/{key}/graduated/
GET POST           /api/v1/campaigns/{key}/outcomes/
POST               /api/v1/campaigns/{key}/outcomes/{outcome}/reverse/
GET                /api/v1/campaigns/{key}/judgement/
GET                /api/v1/campaigns/{key}/ecosystem/
GET                /api/v1/campaigns/{key}/worth/
POST               /api/v1/campaigns/{key}/worth/refresh/
GET                /api/v1/campaigns/{key}/looks/
GET POST           /api/v1/campaigns/{key}/simulations/
GET                /api/v1/campaigns/{key}/simulations/{number}/
GET                /api/v1/campaigns/{key}/why/
GET                /api/v1/objectives/
GET PUT            /api/v1/objectives/{scenario}/
GET PUT            /api/v1/items/
GET PUT            /api/v1/merchants/
GET                /api/v1/traces/{trace_id}/
GET POST           /api/v1/exports/
GET                /api/v1/exports/{id}/
GET                /api/v1/exports/{id}/file/
GET POST           /api/v1/webhooks/
GET PATCH          /api/v1/webhooks/{key}/
GET                /api/v1/webhooks/{key}/deliveries/
POST               /api/v1/webhooks/{key}/test/
POST               /api/v1/webhooks/{key}/renew/
GET POST           /api/v1/client-keys/
GET                /api/v1/client-keys/{key}/
POST               /api/v1/client-keys/{key}/revoke/
GET                /api/v1/snapshots/
GET                /api/v1/snapshots/{number}/
GET                /api/v1/snapshots/{number}/diff/{other}/
POST               /api/v1/snapshots/{number}/roll-back/
GET                /api/v1/snapshots/holds/
POST               /api/v1/snapshots/lift/
POST               /api/v1/allocations
POST               /api/v1/allocations/batch
POST               /api/v1/events
GET                /api/v1/rules
"""


@pytest.fixture(scope="module")
def document():
    return json.loads(Client().get("/api/schema/").content)


def test_the_schema_has_the_addresses_of_the_contract(document):
    found = {path: {method.upper() for method in operations} for path, operations in document["paths"].items()}
    wanted = {path: set(methods) for *methods, path in map(str.split, CONTROL.strip().splitlines())}
    assert found == wanted
    assert document["openapi"].startswith("3.1")


def test_every_operation_says_who_may_and_how_it_refuses(document):
    for operations in document["paths"].values():
        for operation in operations.values():
            assert {"key": []} in operation["security"]
            refusal = operation["responses"]["422"]["content"]
            assert refusal == {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}


def test_every_reference_leads_somewhere(document):
    schemas = document["components"]["schemas"]
    references = set(re.findall(r"'#/components/schemas/([^']+)'", str(document)))
    assert references
    assert references <= set(schemas)


def test_bodies_of_the_hot_paths_are_described_by_what_decodes_them(document):
    asked = document["components"]["schemas"]["Asked"]
    assert asked["required"] == ["unit", "scenario"]
    assert asked["additionalProperties"] is False
    assert set(document["components"]["schemas"]["Event"]["required"]) == {"event_id", "type", "at", "unit"}


def test_names_are_such_as_generators_of_clients_can_take(document):
    assert [name for name in document["components"]["schemas"] if not name.isidentifier()] == []
    assert msgspec.json.schema(parse.Unit)["$defs"] == msgspec.json.schema(questions.Unit)["$defs"]  # are one there


def test_the_page_that_shows_it_needs_no_network():
    page = Client().get("/api/docs/").content.decode()
    assert "swagger-ui" in page
    assert not re.findall(r"(?:src|href)=\"(?:https?:)?//", page)
