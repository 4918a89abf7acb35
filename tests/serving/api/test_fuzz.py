"""Requests made from the service's own OpenAPI document: no internal error, and no answer that it does not document."""

import pytest
import schemathesis
from hypothesis import given
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


@pytest.mark.property
def test_no_request_gets_an_answer_that_is_not_documented(client):
    schema = schemathesis.openapi.from_dict(client.get("/openapi.json").json())
    schema.config.update(base_url=str(client.base_url))
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) == 12
    for operation in operations:
        fuzz(operation.as_strategy(generation_mode=GenerationMode.POSITIVE))
        if operation.body or operation.query or operation.path_parameters:
            fuzz(operation.as_strategy(generation_mode=GenerationMode.NEGATIVE))


def fuzz(cases) -> None:
    @given(case=cases)
    def one(case) -> None:
        case.call_and_validate(checks=CHECKS)

    one()
