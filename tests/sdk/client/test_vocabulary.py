"""Which id goes where, and how paths and instants are written."""

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest

from orbdo_sdk.client._vocabulary import (
    customer_fields,
    given,
    instant,
    instants,
    is_server_id,
    path,
    plan_fields,
    resource_path,
)

CUSTOMER_ID = "cus_01hzxw5s3k8n9q2r4t6v7w8xyz"


@pytest.mark.parametrize(
    ("value", "made_by_server"),
    [
        (CUSTOMER_ID, True),
        ("cus_01hzxw5s3k8n9q2r4t6v7w8xy", False),
        ("cus_01hzxw5s3k8n9q2r4t6v7w8xyz0", False),
        ("cus_01HZXW5S3K8N9Q2R4T6V7W8XYZ", False),
        ("cus_01hzxw5s3k8n9q2r4t6v7w8xyl", False),
        ("plan_01hzxw5s3k8n9q2r4t6v7w8xyz", False),
        ("acme", False),
    ],
)
def test_the_servers_ids_are_known_by_their_form(value: str, *, made_by_server: bool) -> None:
    """A prefix and 26 characters of lower-case Crockford base32, no more, no less."""
    assert is_server_id(value, "cus") is made_by_server


def test_each_id_has_its_field() -> None:
    """The server's id and the caller's own travel under different names; no id travels under none."""
    assert customer_fields(CUSTOMER_ID) == {"customer_id": CUSTOMER_ID}
    assert customer_fields("acme") == {"external_customer_id": "acme"}
    assert customer_fields(None) == {}
    assert plan_fields("plan_01hzxw5s3k8n9q2r4t6v7w8xyz") == {"plan_id": "plan_01hzxw5s3k8n9q2r4t6v7w8xyz"}
    assert plan_fields("pro") == {"external_plan_id": "pro"}


def test_something_that_is_no_text_is_left_to_its_field() -> None:
    """The check of the field names it better."""
    untyped: Any = 7
    assert customer_fields(untyped) == {"external_customer_id": untyped}


@pytest.mark.parametrize(
    ("part", "written"),
    [("a b", "a%20b"), ("a/b", "a%2Fb"), ("ä", "%C3%A4"), (".", "%2E"), ("..", "%2E%2E"), ("v1.2", "v1.2")],
)
def test_a_part_of_a_path_is_escaped(part: str, written: str) -> None:
    """No id becomes two parts, or none."""
    assert path("items", part) == f"/v1/items/{written}"


def test_a_part_of_a_path_is_not_empty() -> None:
    """An empty id would be the address of something else."""
    with pytest.raises(ValueError, match="an id must not be empty"):
        path("items", "")


def test_a_resource_is_addressed_by_either_id() -> None:
    """The caller's id has an address below its own word."""
    assert resource_path("customers", CUSTOMER_ID, kind="cus", external="external") == f"/v1/customers/{CUSTOMER_ID}"
    assert resource_path("customers", "acme", kind="cus", external="external") == "/v1/customers/external/acme"


def test_what_is_none_is_left_out() -> None:
    """Everything else stays, false and empty things too."""
    assert given(name="x", memo=None, flag=False, empty=[]) == {"name": "x", "flag": False, "empty": []}


def test_an_instant_is_written_in_utc() -> None:
    """Any zone is taken, and microseconds are kept."""
    assert instant(datetime(2023, 11, 1, 1, tzinfo=timezone(timedelta(hours=1))), name="at") == "2023-11-01T00:00:00Z"
    assert instant(datetime(2023, 11, 1, 0, 0, 0, 5, tzinfo=UTC), name="at") == "2023-11-01T00:00:00.000005Z"
    assert instants(start=datetime(2023, 11, 1, tzinfo=UTC), end=None) == {"start": "2023-11-01T00:00:00Z"}


def test_an_instant_is_aware() -> None:
    """A naive one could mean any instant."""
    with pytest.raises(ValueError, match="start must be an aware datetime"):
        instant(datetime(2023, 11, 1), name="start")  # noqa: DTZ001 - the point


@pytest.mark.parametrize("value", [date(2023, 11, 1), "2023-11-01", 0])
def test_an_instant_is_a_datetime(value: object) -> None:
    """A day has no instant, and a text may have been meant in any zone."""
    with pytest.raises(TypeError, match="start must be a datetime, not "):
        instant(value, name="start")
