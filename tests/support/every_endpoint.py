"""Requests for every endpoint, with ``$name`` where an id stands, and tenants that have one of everything."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import httpx

from tests.support.shop import post

JsonObject = dict[str, Any]
Ids = Mapping[str, str]

SQL = "SELECT sum(tokens) FROM events WHERE event_name = 'llm_request'"
FEE = {"name": "Fee", "cadence": "monthly", "model_type": "unit", "unit_config": {"unit_amount": "1"}}
USAGE = {**FEE, "name": "Usage", "item_id": "$item_id", "billable_metric_id": "$metric_id"}
PERSON = {"name": "Ada", "email": "ada@example.com"}
EVENT = {
    "event_name": "llm_request",
    "idempotency_key": "one",
    "timestamp": "2022-01-15T00:00:00Z",
    "properties": {"tokens": 1},
}
# Corrections are for events of late; an amendment says when its event happened.
LATELY = datetime.now(UTC).isoformat()
AMENDMENT = {
    "event_name": "llm_request",
    "timestamp": LATELY,
    "properties": {"tokens": 2},
    "external_customer_id": "$external_customer_id",
}
YEAR = {"start": "2023-01-01", "end": "2024-01-01"}
DAY = {"start": "2023-11-16", "end": "2023-11-17"}
VOLUME = {"timeframe_start": "2023-11-16", "timeframe_end": "2023-11-17"}

# Ids of the right form that name nothing.
UNKNOWN: Ids = {
    "customer_id": "cus_" + "z" * 26,
    "external_customer_id": "nobody",
    "item_id": "item_" + "z" * 26,
    "metric_id": "met_" + "z" * 26,
    "price_id": "price_" + "z" * 26,
    "external_price_id": "nothing",
    "feature_id": "feat_" + "z" * 26,
    "feature_key": "nothing",
    "plan_id": "plan_" + "z" * 26,
    "external_plan_id": "nothing",
    "subscription_id": "sub_" + "z" * 26,
    "invoice_id": "inv_" + "z" * 26,
    "issued_invoice_id": "inv_" + "y" * 26,
    "backfill_id": "bf_" + "z" * 26,
    "event_id": "nothing",
    "key_id": "key_" + "z" * 26,
}


@dataclass(frozen=True)
class Asked:
    """A request that succeeds for a tenant that has one of everything; ``path`` is as the table of routes has it.

    ``path_ids`` says which id stands for a part of the path that is not called after one.
    """

    method: str
    path: str
    body: Any = None
    query: Mapping[str, str] = field(default_factory=dict)
    path_ids: Mapping[str, str] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """The ids it mentions, each once."""
        in_path = [self.path_ids.get(part, part) for part in re.findall(r"\{(\w+)\}", self.path)]
        return sorted({*in_path, *re.findall(r"\$(\w+)", json.dumps([self.body, dict(self.query)]))})

    def url(self, ids: Ids) -> str:
        """The address with these ids filled in, below ``/v1``."""
        return re.sub(r"\{(\w+)\}", lambda part: quote(ids[self.path_ids.get(part[1], part[1])], safe=""), self.path)

    async def send(self, client: httpx.AsyncClient, ids: Ids) -> httpx.Response:
        """The answer with these ids filled in."""
        content = None if self.body is None else filled(json.dumps(self.body), ids)
        query = {name: filled(value, ids) for name, value in self.query.items()}
        return await client.request(self.method, self.url(ids), content=content, params=query)


def filled(text: str, ids: Ids) -> str:
    """The text with ids for their names; other words behind a dollar stay."""
    return re.sub(r"\$(\w+)", lambda named: ids.get(named[1], named[0]), text)


# In this order each of them succeeds: what closes, archives or ends something comes last.
EVERY_ENDPOINT = (
    Asked("GET", "/ping"),
    Asked("POST", "/customers", {**PERSON, "external_customer_id": "bob"}),
    Asked("GET", "/customers"),
    Asked("GET", "/customers/external_customer_id/{external_customer_id}"),
    Asked("PUT", "/customers/external_customer_id/{external_customer_id}", {"name": "Ada L."}),
    Asked("GET", "/customers/{customer_id}"),
    Asked("PUT", "/customers/{customer_id}", {"name": "Ada"}),
    Asked("POST", "/items", {"name": "Another"}),
    Asked("GET", "/items"),
    Asked("GET", "/items/{item_id}"),
    Asked("PUT", "/items/{item_id}", {"name": "Tokens"}),
    Asked("POST", "/metrics", {"name": "Words", "sql": SQL, "item_id": "$item_id"}),
    Asked("GET", "/metrics"),
    Asked("GET", "/metrics/{metric_id}"),
    Asked("PUT", "/metrics/{metric_id}", {"description": "All of them"}),
    Asked("POST", "/prices", {**USAGE, "currency": "USD"}),
    Asked("GET", "/prices"),
    Asked("GET", "/prices/external_price_id/{external_price_id}"),
    Asked("PUT", "/prices/external_price_id/{external_price_id}", {"metadata": {}}),
    Asked("GET", "/prices/{price_id}"),
    Asked("PUT", "/prices/{price_id}", {"metadata": {}}),
    Asked("POST", "/prices/{price_id}/calculate", {"quantity": "2.5"}),
    Asked("POST", "/features", {"key": "another"}),
    Asked("GET", "/features"),
    Asked("GET", "/features/{feature}", path_ids={"feature": "feature_id"}),
    Asked("GET", "/features/{feature}", path_ids={"feature": "feature_key"}),
    Asked(
        "POST",
        "/plans",
        {
            "name": "Another",
            "currency": "USD",
            "prices": [{"price_id": "$price_id"}, {"price": USAGE}],
            "features": [{"feature_id": "$feature_id", "limit": 5, "metric_id": "$metric_id"}],
        },
    ),
    Asked("POST", "/plans", {"name": "More", "currency": "USD", "prices": [], "features": [{"key": "$feature_key"}]}),
    Asked("GET", "/plans"),
    Asked("GET", "/plans/external_plan_id/{external_plan_id}"),
    Asked("PUT", "/plans/external_plan_id/{external_plan_id}", {"name": "Pro"}),
    Asked("GET", "/plans/{plan_id}"),
    Asked("PUT", "/plans/{plan_id}", {"name": "Pro"}),
    Asked(
        "PUT",
        "/plans/{plan_id}/features",
        {"features": [{"feature_id": "$feature_id", "limit": "7", "metric_id": "$metric_id"}]},
    ),
    Asked("PUT", "/plans/{plan_id}/features", {"features": [{"key": "$feature_key"}]}),
    Asked("POST", "/subscriptions", {"customer_id": "$customer_id", "plan_id": "$plan_id"}),
    Asked(
        "POST",
        "/subscriptions",
        {"external_customer_id": "$external_customer_id", "external_plan_id": "$external_plan_id"},
    ),
    Asked("POST", "/subscriptions", {"customer_id": "$customer_id", "add_prices": [{"price_id": "$price_id"}]}),
    Asked("GET", "/subscriptions", query={"customer_id": "$customer_id"}),
    Asked("GET", "/subscriptions", query={"customer_id[]": "$customer_id"}),
    Asked("GET", "/subscriptions", query={"external_customer_id": "$external_customer_id"}),
    Asked("GET", "/subscriptions", query={"external_customer_id[]": "$external_customer_id"}),
    Asked("GET", "/subscriptions/{subscription_id}"),
    Asked("PUT", "/subscriptions/{subscription_id}", {"net_terms": 30}),
    Asked("GET", "/usage", query={**YEAR, "metric_id": "$metric_id", "customer_id": "$customer_id"}),
    Asked("GET", "/usage", query={**YEAR, "metric_id": "$metric_id", "external_customer_id": "$external_customer_id"}),
    Asked("GET", "/entitlements/{external_customer_id}"),
    Asked("GET", "/entitlements/{external_customer_id}", path_ids={"external_customer_id": "customer_id"}),
    Asked("GET", "/invoices/upcoming", query={"subscription_id": "$subscription_id"}),
    Asked("POST", "/invoices", {"subscription_id": "$subscription_id", "customer_id": "$customer_id"}),
    Asked(
        "POST",
        "/invoices",
        {"subscription_id": "$subscription_id", "external_customer_id": "$external_customer_id"},
    ),
    Asked("GET", "/invoices", query={"status": "draft", "customer_id": "$customer_id"}),
    Asked("GET", "/invoices", query={"status": "draft", "external_customer_id": "$external_customer_id"}),
    Asked("GET", "/invoices", query={"status": "draft", "subscription_id": "$subscription_id"}),
    Asked("GET", "/invoices/{invoice_id}"),
    Asked("POST", "/invoices/{invoice_id}/issue"),
    Asked("GET", "/invoices/{invoice_id}/pdf"),
    Asked("POST", "/invoices/{invoice_id}/void"),
    Asked(
        "POST",
        "/invoices/{invoice_id}/mark_paid",
        {"payment_received_date": "2024-01-01"},
        path_ids={"invoice_id": "issued_invoice_id"},
    ),
    Asked(
        "POST",
        "/subscriptions/{subscription_id}/schedule_plan_change",
        {"change_option": "immediate", "plan_id": "$plan_id"},
    ),
    Asked(
        "POST",
        "/subscriptions/{subscription_id}/schedule_plan_change",
        {"change_option": "immediate", "external_plan_id": "$external_plan_id"},
    ),
    Asked("POST", "/subscriptions/{subscription_id}/cancel", {"cancel_option": "immediate"}),
    Asked(
        "POST",
        "/events/backfills",
        {"timeframe_start": "2020-01-01", "timeframe_end": "2020-02-01", "customer_id": "$customer_id"},
    ),
    Asked(
        "POST",
        "/events/backfills",
        {
            "timeframe_start": "2021-01-01",
            "timeframe_end": "2021-02-01",
            "external_customer_id": "$external_customer_id",
        },
    ),
    Asked("GET", "/events/backfills"),
    Asked("GET", "/events/backfills/{backfill_id}"),
    Asked("POST", "/ingest", {"events": [{**EVENT, "customer_id": "$customer_id"}]}, {"backfill_id": "$backfill_id"}),
    Asked("POST", "/events/backfills/{backfill_id}/close"),
    Asked("POST", "/events/backfills/{backfill_id}/revert"),
    Asked("POST", "/events/search", {"event_ids": ["$event_id"]}),
    Asked("GET", "/events/volume", query=VOLUME),
    Asked("GET", "/events/{event_id}/trace"),
    Asked("PUT", "/events/{event_id}", AMENDMENT),
    Asked("PUT", "/events/{event_id}/deprecate"),
    Asked("POST", "/events/{event_id}/undo"),
    Asked("GET", "/reconciliation", query=DAY),
    Asked("POST", "/metrics/{metric_id}/archive"),
    Asked("POST", "/metrics/{metric_id}/unarchive"),
    Asked("POST", "/items/{item_id}/archive"),
    Asked("POST", "/api_keys", {"name": "another", "scopes": ["events:write"]}),
    Asked("GET", "/api_keys"),
    Asked("POST", "/api_keys/{key_id}/revoke"),
)


async def one_of_everything(client: httpx.AsyncClient, owner: str) -> Ids:
    """The ids of what the requests above need; the caller's own ids carry the owner's name."""
    customer = await post(client, "/customers", {**PERSON, "external_customer_id": f"{owner}-ada"})
    item = await post(client, "/items", {"name": "Tokens"})
    metric = await post(client, "/metrics", {"name": "Tokens", "sql": SQL, "item_id": item["id"]})
    sold = {**FEE, "item_id": item["id"], "fixed_price_quantity": 1, "currency": "USD"}
    price = await post(client, "/prices", {**sold, "external_price_id": f"{owner}-fee"})
    feature = await post(client, "/features", {"key": f"{owner}-calls", "type": "limit"})
    plan = await post(
        client,
        "/plans",
        {"name": "Pro", "currency": "USD", "prices": [{"price": sold}], "external_plan_id": f"{owner}-pro"},
    )
    subscribed = {"customer_id": customer["id"], "plan_id": plan["id"], "start_date": "2023-11-01"}
    subscription = await post(client, "/subscriptions", subscribed)
    invoice = await post(client, "/invoices", {"subscription_id": subscription["id"]})
    other = await post(client, "/subscriptions", subscribed)
    issued = await post(client, "/invoices", {"subscription_id": other["id"]})
    await post(client, f"/invoices/{issued['id']}/issue")
    backfill = await post(client, "/events/backfills", {"timeframe_start": "2022-01-01", "timeframe_end": "2022-02-01"})
    event_id = await an_event(client, owner)
    key = await post(client, "/api_keys", {"name": "spare", "scopes": ["events:write"]})
    return {
        "customer_id": customer["id"],
        "external_customer_id": f"{owner}-ada",
        "item_id": item["id"],
        "metric_id": metric["id"],
        "price_id": price["id"],
        "external_price_id": f"{owner}-fee",
        "feature_id": feature["id"],
        "feature_key": f"{owner}-calls",
        "plan_id": plan["id"],
        "external_plan_id": f"{owner}-pro",
        "subscription_id": subscription["id"],
        "invoice_id": invoice["id"],
        "issued_invoice_id": issued["id"],
        "backfill_id": backfill["id"],
        "event_id": event_id,
        "key_id": key["id"],
    }


async def an_event(client: httpx.AsyncClient, owner: str) -> str:
    """The id of an event of now."""
    event = {**EVENT, "idempotency_key": f"{owner}-event", "timestamp": LATELY}
    await post(client, "/ingest", {"events": [{**event, "external_customer_id": f"{owner}-ada"}]})
    return f"{owner}-event"
