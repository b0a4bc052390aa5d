"""What the server answers, written out as it travels: a JSON body a resource, with the fields it cannot do without."""

from typing import Any

CUSTOMER_ID = "cus_01hzxw5s3k8n9q2r4t6v7w8xyz"
PLAN_ID = "plan_01hzxw5s3k8n9q2r4t6v7w8xyz"
PRICE_ID = "price_01hzxw5s3k8n9q2r4t6v7w8xyz"
AT = "2026-01-01T00:00:00Z"

CUSTOMER: dict[str, Any] = {
    "id": CUSTOMER_ID,
    "external_customer_id": "acme",
    "name": "Acme",
    "email": "billing@acme.test",
    "currency": "USD",
    "timezone": "UTC",
    "created_at": AT,
    "metadata": {},
}
ITEM: dict[str, Any] = {"id": "item_1", "name": "Tokens", "created_at": AT}
METRIC: dict[str, Any] = {
    "id": "met_1",
    "name": "tokens",
    "description": None,
    "item": ITEM,
    "sql": "SELECT sum(tokens) FROM events",
    "status": "active",
}
PRICE: dict[str, Any] = {
    "id": PRICE_ID,
    "name": "Tokens",
    "item": {"id": "item_1", "name": "Tokens"},
    "currency": "USD",
    "cadence": "monthly",
    "price_type": "usage_price",
    "billing_mode": "in_arrear",
    "billing_cycle_configuration": {"duration": 1, "duration_unit": "month"},
    "created_at": AT,
    "model_type": "unit",
    "unit_config": {"unit_amount": "0.10"},
}
CALCULATION: dict[str, Any] = {
    "price_id": PRICE_ID,
    "quantity": "1500",
    "amount": "2.25",
    "rounded_amount": "2.25",
    "currency": "USD",
    "breakdown": [
        {
            "first_unit": 0,
            "last_unit": None,
            "quantity": 1500,
            "unit_amount": "0.0015",
            "flat_amount": "0",
            "amount": "2.25",
        }
    ],
}
PLAN: dict[str, Any] = {
    "id": PLAN_ID,
    "name": "Pro",
    "description": "",
    "currency": "USD",
    "invoicing_currency": "USD",
    "external_plan_id": "pro",
    "status": "active",
    "version": 1,
    "created_at": AT,
    "prices": [PRICE],
    "product": {"id": PLAN_ID, "name": "Pro", "created_at": AT},
}
FEATURE: dict[str, Any] = {
    "id": "feat_1",
    "key": "api_calls",
    "name": "API calls",
    "type": "limit",
    "created_at": AT,
}
SUBSCRIPTION: dict[str, Any] = {
    "id": "sub_1",
    "customer": CUSTOMER,
    "plan": PLAN,
    "status": "active",
    "start_date": AT,
    "end_date": None,
    "created_at": AT,
    "billing_cycle_day": 1,
    "billing_cycle_anchor_configuration": {"day": 1},
    "current_billing_period_start_date": AT,
    "current_billing_period_end_date": "2026-02-01T00:00:00Z",
    "price_intervals": [],
}
INVOICE_BODY: dict[str, Any] = {
    "id": "inv_1",
    "status": "draft",
    "currency": "USD",
    "customer": {"id": CUSTOMER_ID, "external_customer_id": "acme"},
    "subscription": {"id": "sub_1"},
    "line_items": [],
    "subtotal": "9.07",
    "total": "9.07",
    "amount_due": "9.07",
    "created_at": AT,
    "invoice_number": "ACME-1",
    "period_start": AT,
    "period_end": "2026-02-01T00:00:00Z",
    "as_of": 42,
    "input_hash": "0a",
}
INVOICE: dict[str, Any] = {**INVOICE_BODY, "invoice_date": "2026-02-01T00:00:00Z"}
UPCOMING: dict[str, Any] = {**INVOICE_BODY, "target_date": "2026-02-01T00:00:00Z"}
USAGE: dict[str, Any] = {
    "data": [
        {
            "external_customer_id": "acme",
            "metric_id": "met_1",
            "start": AT,
            "end": "2026-02-01T00:00:00Z",
            "quantity": "18059974",
            "group": {"model": "small"},
        }
    ],
    "as_of": 8819,
}
BACKFILL: dict[str, Any] = {
    "id": "bf_1",
    "status": "pending",
    "timeframe_start": "2023-11-01T00:00:00Z",
    "timeframe_end": "2023-12-01T00:00:00Z",
    "replace_existing_events": False,
    "events_ingested": 0,
    "created_at": AT,
    "close_time": None,
    "customer_id": None,
    "reverted_at": None,
}
FOUND: dict[str, Any] = {
    "id": "a",
    "event_name": "llm",
    "timestamp": AT,
    "properties": {"tokens": 5},
    "external_customer_id": "acme",
    "customer_id": None,
    "deprecated": False,
}
TRACE: dict[str, Any] = {
    "id": "a/b",
    "as_of": 42,
    "rows": [
        {
            "position": 7,
            "received_at": AT,
            "state": "in_effect",
            "event_name": "llm",
            "timestamp": AT,
            "properties": {"tokens": "0.1"},
            "external_customer_id": "acme",
            "customer_id": None,
            "backfill_id": None,
            "amends": None,
        }
    ],
    "repeats": [{"received_at": AT, "conflict": True}],
    "corrections": [{"at": AT, "action": "undone"}],
    "customer": {"id": CUSTOMER_ID, "external_customer_id": "acme"},
    "unmatched": None,
    "metrics": [{"id": "met_1", "name": "Tokens", "quantity": "0.1", "counted": True}],
    "metrics_complete": True,
    "invoices": [
        {
            "invoice_id": None,
            "invoice_number": None,
            "status": "upcoming",
            "subscription_id": "sub_1",
            "period_start": AT,
            "period_end": "2026-02-01T00:00:00Z",
            "line_id": "line_1",
            "price_id": PRICE_ID,
            "price_name": "Tokens",
            "metric_id": "met_1",
            "quantity": "0.1",
            "counted_when_issued": None,
            "counts_now": True,
        }
    ],
    "invoices_complete": True,
}
RECONCILIATION: dict[str, Any] = {
    "start": AT,
    "end": "2026-01-01T01:00:00Z",
    "as_of": 42,
    "hours": [
        {
            "start": AT,
            "end": "2026-01-01T01:00:00Z",
            "stored": 9,
            "in_effect": 2,
            "unmatched": 1,
            "amended": 1,
            "undone": 1,
            "deprecated": 1,
            "replaced": 1,
            "pending": 1,
            "reverted": 1,
        }
    ],
    "unmatched": [{"external_customer_id": "bob", "customer_id": None, "events": 1}],
    "unmatched_left_off": 0,
    "invoices": [
        {
            "invoice_id": "inv_1",
            "invoice_number": "INV-000001",
            "customer_id": CUSTOMER_ID,
            "subscription_id": "sub_1",
            "period_start": AT,
            "period_end": "2026-02-01T00:00:00Z",
            "as_of": 40,
            "state": "late",
            "events_sealed": 1,
            "events_as_of": 1,
            "events_now": 2,
            "late_events": 1,
        }
    ],
    "differences": [
        {
            "kind": "late_events",
            "hour": None,
            "invoice_id": "inv_1",
            "line_id": "line_1",
            "expected": "1",
            "found": "2",
        }
    ],
    "pagination_metadata": {"has_more": True, "next_cursor": "next"},
}
API_KEY: dict[str, Any] = {
    "id": "key_1",
    "name": "importer",
    "prefix": "orbdo_live_ingest_AbCd",
    "scopes": ["events:write"],
    "created_at": AT,
    "secret": "orbdo_live_ingest_AbCdEfGh",
}
SNAPSHOT: dict[str, Any] = {
    "external_customer_id": "acme",
    "customer_id": CUSTOMER_ID,
    "version": "v1",
    "as_of": 42,
    "generated_at": AT,
    "entitlements": {
        "sso": {"key": "sso", "type": "boolean", "enabled": True},
        "region": {"key": "region", "type": "config", "enabled": True, "value": "eu"},
        "beta": {"key": "beta", "type": "boolean", "enabled": False},
        "seats": {"key": "seats", "type": "limit", "enabled": True, "limit": None, "used": "7"},
        "api_calls": {"key": "api_calls", "type": "limit", "enabled": True, "limit": "1000", "used": "400.5"},
        "exports": {"key": "exports", "type": "limit", "enabled": True, "limit": "10", "used": "10"},
    },
}
NOT_FOUND: dict[str, Any] = {
    "type": "https://docs.withorb.com/reference/error-responses#404-resource-not-found",
    "status": 404,
    "title": "Resource not found",
    "detail": "no such customer",
    "code": "resource_not_found",
}


def page(*items: dict[str, Any], next_cursor: str | None = None) -> dict[str, Any]:
    """A page of a list with these items."""
    metadata = {"has_more": next_cursor is not None, "next_cursor": next_cursor}
    return {"data": list(items), "pagination_metadata": metadata}
