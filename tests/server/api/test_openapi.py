"""The description of the API: whole, consistent, and the same each time."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import pytest
from pydantic import create_model

from orbdo_sdk.wire import Ping, encode
from orbdo_server.api import backups
from orbdo_server.api.endpoints import Endpoint
from orbdo_server.api.ingest import INGEST
from orbdo_server.api.openapi import describe
from orbdo_server.api.routes import ENDPOINTS

ALL = (*ENDPOINTS, INGEST, backups.RELEASE)
DOCUMENT: dict[str, Any] = msgspec.json.decode(encode(describe(ALL, version="1.2.3")))


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every operation with its path and method."""
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def references(value: Any) -> Iterator[str]:
    """Every ``$ref`` in a JSON value."""
    if isinstance(value, dict):
        if "$ref" in value:
            yield value["$ref"]
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def resolved(reference: str) -> Any:
    """What a reference points to."""
    found: Any = DOCUMENT
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return found


def test_the_document_has_what_openapi_asks_for() -> None:
    """Its version, what it is about, and where."""
    assert DOCUMENT["openapi"] == "3.1.0"
    assert DOCUMENT["info"] == {
        "title": "orbdo",
        "version": "1.2.3",
        "summary": "Usage-based billing as queries over an event log.",
    }
    assert DOCUMENT["servers"] == [{"url": "/"}]
    assert DOCUMENT["components"]["securitySchemes"] == {"key": {"type": "http", "scheme": "bearer"}}
    assert DOCUMENT["security"] == [{"key": []}]


def test_every_endpoint_is_described() -> None:
    """Each once, and nothing else."""
    described = {(method.upper(), path.removeprefix("/v1")) for path, method, _ in operations()}
    assert described == {(endpoint.method, endpoint.path) for endpoint in ALL}


def test_every_reference_leads_somewhere() -> None:
    """A generator of clients would stop at the first that does not."""
    found = set(references(DOCUMENT))
    assert len(found) > 50
    for reference in found:
        assert reference.startswith("#/components/"), reference
        assert isinstance(resolved(reference), dict), reference


def test_every_operation_is_whole() -> None:
    """A name of its own, words, a tag, and answers for when it works and when not."""
    names = [operation["operationId"] for _, _, operation in operations()]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)+", name) for name in names), names
    for _, _, operation in operations():
        assert operation["summary"].endswith(".")
        assert operation["description"].startswith("Needs ")
        assert len(operation["tags"]) == 1
        assert set(operation["responses"]) == {"200", "default"}


def test_every_part_of_a_path_is_a_parameter() -> None:
    """Required, and by its own name."""
    for path, _, operation in operations():
        named = [parameter["name"] for parameter in operation["parameters"] if parameter.get("in") == "path"]
        assert named == re.findall(r"\{(\w+)\}", path)
        assert all(parameter["required"] for parameter in operation["parameters"] if parameter.get("in") == "path")


def test_a_body_is_described_where_there_is_one() -> None:
    """By the model that reads it."""
    for path, method, operation in operations():
        [endpoint] = [found for found in ALL if (found.method.lower(), f"/v1{found.path}") == (method, path)]
        if endpoint.body.__name__ == "NoBody":
            assert "requestBody" not in operation
            continue
        schema = resolved(operation["requestBody"]["content"]["application/json"]["schema"]["$ref"])
        assert set(schema["properties"]) == {field.alias or name for name, field in endpoint.body.model_fields.items()}
        assert schema["additionalProperties"] is False


def test_a_query_is_described_where_there_is_one() -> None:
    """With what is required, and lists under their names on the wire."""
    parameters = DOCUMENT["paths"]["/v1/subscriptions"]["get"]["parameters"]
    queries = {parameter["name"]: parameter["required"] for parameter in parameters if parameter.get("in") == "query"}
    assert queries == {
        "limit": False,
        "cursor": False,
        "customer_id": False,
        "external_customer_id": False,
        "customer_id[]": False,
        "external_customer_id[]": False,
    }
    usage = DOCUMENT["paths"]["/v1/usage"]["get"]["parameters"]
    required = {parameter["name"] for parameter in usage if parameter.get("required")}
    assert required == {"metric_id", "start", "end"}


def test_headers_are_described_where_they_mean_something() -> None:
    """Every request may be about an agent; a POST that changes something can be repeated, but for a key's secret."""
    repeatable = set()
    for path, method, operation in operations():
        refs = [parameter["$ref"] for parameter in operation["parameters"] if "$ref" in parameter]
        assert "#/components/parameters/Agent" in refs
        if "#/components/parameters/IdempotencyKey" in refs:
            repeatable.add((method, path))
    assert ("post", "/v1/items") in repeatable
    assert not {("put", "/v1/items/{item_id}"), ("post", "/v1/api_keys"), ("get", "/v1/items")} & repeatable
    assert ("post", "/v1/prices/{price_id}/calculate") not in repeatable


def test_the_scope_is_named() -> None:
    """So that nobody has to try."""
    assert DOCUMENT["paths"]["/v1/ping"]["get"]["description"] == "Needs any valid key."
    described = DOCUMENT["paths"]["/v1/items"]["post"]["description"]
    assert described == "Needs a key with the scope `catalog:write`."


def test_the_document_is_the_same_each_time() -> None:
    """Neither the order of a set nor of a dictionary shows."""
    assert encode(describe(ALL, version="1.2.3")) == encode(describe(ALL, version="1.2.3"))


def test_a_body_and_an_answer_never_share_a_name() -> None:
    """One of the two would be described by the other."""

    body = create_model("Ping")
    clash = Endpoint("POST", "/ping", print, "keys:write", "Clash.", Ping, body=body)
    with pytest.raises(AssertionError, match="one name"):
        describe([clash], version="1")


@pytest.mark.anyio
async def test_the_document_needs_no_key(client: httpx.AsyncClient) -> None:
    """And is what the server was made from."""
    del client.headers["Authorization"]
    answer = await client.get("http://test/openapi.json")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["paths"] == DOCUMENT["paths"]
