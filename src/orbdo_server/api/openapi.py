"""The API's own description (OpenAPI 3.1), made from the table of routes: bodies by pydantic, answers by msgspec."""

from collections.abc import Sequence
from inspect import isfunction
from typing import Any

import msgspec
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from orbdo_sdk.wire import Problem
from orbdo_server.api.dispatch import IDEMPOTENCY_KEY_LENGTH_MAX
from orbdo_server.api.endpoints import ANY_KEY, Endpoint, NoBody
from orbdo_server.engine.keys import AGENT_HEADER, AGENT_ID_LENGTH_MAX

JsonObject = dict[str, Any]

REFERENCE = "#/components/schemas/{name}"
PARAMETERS: dict[str, JsonObject] = {
    "IdempotencyKey": {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "Repeating a request under its key gives the same answer for 48 hours and does nothing twice.",
        "schema": {"type": "string", "minLength": 1, "maxLength": IDEMPOTENCY_KEY_LENGTH_MAX},
    },
    "Agent": {
        "name": AGENT_HEADER,
        "in": "header",
        "description": "The agent whose data the request is about, apart from the account's and every other agent's.",
        "schema": {"type": "string", "minLength": 1, "maxLength": AGENT_ID_LENGTH_MAX},
    },
}


def describe(endpoints: Sequence[Endpoint], *, version: str) -> JsonObject:
    """The document as plain JSON values, the same each time."""
    bodies = dict.fromkeys(endpoint.body for endpoint in endpoints if endpoint.body is not NoBody)
    references, definitions = models_json_schema(
        [(body, "validation") for body in bodies], ref_template=REFERENCE.format(name="{model}")
    )
    answers, components = msgspec.json.schema_components(
        [*(endpoint.answer for endpoint in endpoints), Problem], ref_template=REFERENCE
    )
    asked = definitions.get("$defs", {})
    assert asked.keys().isdisjoint(components), "a body and an answer of one name would be taken for each other"
    paths: JsonObject = {}
    for endpoint, answer in zip(endpoints, answers[:-1], strict=True):
        body = references.get((endpoint.body, "validation"))
        paths.setdefault(f"/v1{endpoint.path}", {})[endpoint.method.lower()] = _operation(endpoint, body, answer)
    return {
        "openapi": "3.1.0",
        "info": {"title": "orbdo", "version": version, "summary": "Usage-based billing as queries over an event log."},
        "servers": [{"url": "/"}],
        "security": [{"key": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            "parameters": PARAMETERS,
            "schemas": {**asked, **components},
        },
    }


def _operation(endpoint: Endpoint, body: JsonObject | None, answer: JsonObject) -> JsonObject:
    needed = "any valid key" if endpoint.scope == ANY_KEY else f"a key with the scope `{endpoint.scope}`"
    operation: JsonObject = {
        "operationId": f"{endpoint.tag}_{_name(endpoint)}",
        "summary": endpoint.summary,
        "description": f"Needs {needed}.",
        "tags": [endpoint.tag],
        "parameters": [
            *_path_parameters(endpoint.path),
            *_query_parameters(endpoint.query),
            *_header_parameters(endpoint),
        ],
        "responses": {
            "200": {"description": "Done.", "content": {"application/json": {"schema": answer}}},
            "default": {
                "description": "What was wrong.",
                "content": {"application/problem+json": {"schema": {"$ref": REFERENCE.format(name="Problem")}}},
            },
        },
    }
    if body is not None:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    return operation


def _name(endpoint: Endpoint) -> str:
    """What the handler is called; one that is no function is called as its address ends."""
    return endpoint.handler.__name__ if isfunction(endpoint.handler) else endpoint.path.rpartition("/")[2]


def _path_parameters(path: str) -> list[JsonObject]:
    names = [part.strip("{}") for part in path.split("/") if part.startswith("{")]
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]


def _query_parameters(model: type[BaseModel]) -> list[JsonObject]:
    schema = model.model_json_schema(by_alias=True)
    required = set(schema.get("required", ()))
    return [
        {"name": name, "in": "query", "required": name in required, "schema": field}
        for name, field in schema.get("properties", {}).items()
    ]


def _header_parameters(endpoint: Endpoint) -> list[JsonObject]:
    can_be_repeated = endpoint.method == "POST" and endpoint.writes and endpoint.repeatable
    names = ["IdempotencyKey", "Agent"] if can_be_repeated else ["Agent"]
    return [{"$ref": f"#/components/parameters/{name}"} for name in names]
