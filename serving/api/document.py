"""The OpenAPI document: FastAPI's, with the endpoints that need no key, and itself."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

NO_KEY: dict[str, Any] = {"security": []}
OPTIONAL_KEY: dict[str, Any] = {"security": [{}, {"HTTPBearer": []}]}
ITSELF: dict[str, Any] = {
    "get": {
        "tags": ["health"],
        "summary": "Openapi",
        "description": "This document.",
        "operationId": "openapi_openapi_json_get",
        "responses": {
            "200": {
                "description": "Successful Response",
                "content": {"application/json": {"schema": {"type": "object", "required": ["openapi", "paths"]}}},
            }
        },
        **NO_KEY,
    }
}


def openapi(app: FastAPI, *, keyless: bool) -> dict[str, Any]:
    """Build the document on first use.

    Args:
        app: its routes.
        keyless: whether the service admits requests without a key, as on loopback; the document then says that every
            key is optional.
    """
    if app.openapi_schema is None:
        document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        document["paths"]["/openapi.json"] = ITSELF
        if keyless:
            for operation in (one for path in document["paths"].values() for one in path.values()):
                if operation["security"] and {} not in operation["security"]:
                    operation["security"] = [{}, *operation["security"]]
        app.openapi_schema = document
    return app.openapi_schema
