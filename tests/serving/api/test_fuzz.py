"""Requests made from the service's own OpenAPI document: no internal error, and no answer that it does not document."""

import os
from collections import Counter
from datetime import UTC, datetime

import httpx
import pytest
import schemathesis
from hypothesis import given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from pipelines.live.keys import SCOPES, Keys
from serving.rows import EXAMPLES
from tests.serving.servers import free_port

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
TIMES = {"/v1/orders": "ordered_at", "/v1/events": "occurred_at"}
LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"
LEAST_CALLS = 10_000 if LONG else 100
EXAMPLES_EACH = 700 if LONG else 8


@pytest.mark.property
def test_no_request_gets_an_answer_that_is_not_documented(client):
    statuses: Counter[int] = Counter()
    for operation in operations(client):
        fuzz(operation.as_strategy(generation_mode=GenerationMode.POSITIVE), statuses)
        if operation.body or operation.query or operation.path_parameters:
            fuzz(operation.as_strategy(generation_mode=GenerationMode.NEGATIVE), statuses)
        if operation.path in TIMES:
            fuzz(operation.as_strategy(generation_mode=GenerationMode.POSITIVE).map(timely), statuses)
    assert sum(statuses.values()) >= LEAST_CALLS
    assert statuses.keys() >= {200, 202, 404, 422}


@pytest.mark.property
def test_with_and_without_keys_every_answer_is_documented(home, serve):
    public = serve(home.with_changes(services__host="0.0.0.0", serving__refused_limit="100/minute"))  # noqa: S104
    statuses: Counter[int] = Counter()
    keys = [Keys(home.serving_folder).create("fuzz", (scope,), datetime.now(UTC))[1] for scope in SCOPES]
    for operation in operations(public):
        strategy = operation.as_strategy(generation_mode=GenerationMode.POSITIVE)
        for key in (*keys, "wrong"):
            fuzz(strategy, statuses, most=40, Authorization=f"Bearer {key}")
    assert statuses.keys() >= {200, 401, 403, 429}


def test_the_document_says_where_a_key_is_needed(client, home, serve, tmp_path):
    other = home.with_changes(home=str(tmp_path / "b"), serving__port=free_port())
    public = serve(other.with_changes(services__host="0.0.0.0"), ready=False)  # noqa: S104
    key = [{"HTTPBearer": []}]
    expected = {"/healthz": [], "/openapi.json": [], "/readyz": [{}, *key]}
    for service, others in ((public, key), (client, [{}, *key])):
        paths = service.get("/openapi.json").json()["paths"]
        found = {path: operation["security"] for path, operations in paths.items() for operation in operations.values()}
        assert found == dict.fromkeys(found, others) | expected


def test_the_document_declares_every_refusal(client):
    paths = client.get("/openapi.json").json()["paths"]
    statuses = {path: set(operation["responses"]) for path, one in paths.items() for operation in one.values()}
    guarded = {"401", "403", "422", "429", "503"}
    assert statuses["/v1/orders"] == statuses["/v1/events"] == {"202", "409", "413", *guarded}
    assert statuses["/v1/admin/deploy"] == statuses["/v1/admin/rollback"] == {"200", "409", "413", *guarded}
    assert statuses["/v1/scores"] == {"200", "413", *guarded}
    assert statuses["/v1/score"] == {"200", "404", "413", *guarded}
    assert statuses["/healthz"] == statuses["/openapi.json"] == {"200"}
    assert statuses["/readyz"] == {"200", "503"}
    assert all(guarded <= found for path, found in statuses.items() if path.startswith("/v1/") or path == "/metrics")


def operations(client: httpx.Client) -> list:
    schema = schemathesis.openapi.from_dict(client.get("/openapi.json").json())
    schema.config.update(base_url=str(client.base_url))
    found = [operation.ok() for operation in schema.get_all_operations()]
    assert len(found) == 13
    return found


def timely(case):
    """Let the rows be examples of the shop's today, which are taken, with texts of the fuzzer's."""
    time = TIMES[case.operation.path]
    for name, rows in case.body.items():
        texts = [{column: value for column, value in row.items() if isinstance(value, str)} for row in rows]
        for row, text in zip(rows, texts, strict=True):
            text.pop("event_type", None)
            row.clear()
            row.update(EXAMPLES[name] | text | {time: "2001-03-01T00:00:00"})
    return case


def fuzz(cases, statuses: Counter[int], most: int = EXAMPLES_EACH, **headers: str) -> None:
    @settings(max_examples=min(most, EXAMPLES_EACH))
    @given(case=cases)
    def one(case) -> None:
        answer = case.call_and_validate(checks=CHECKS, headers=headers or None)
        statuses[answer.status_code] += 1

    one()
