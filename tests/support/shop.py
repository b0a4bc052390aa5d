"""A small business set up over HTTP: Ada, a metric, the trace's price, a subscription, and usage of November 2023."""

from typing import Any

import httpx
import msgspec

TRACE_TIERS = [
    {"first_unit": 0, "last_unit": 1_000_000, "unit_amount": "0.000002"},
    {"first_unit": 1_000_000, "last_unit": 5_000_000, "unit_amount": "0.0000015"},
    {"first_unit": 5_000_000, "last_unit": None, "unit_amount": "0.000001"},
]
TRACE_PRICE = {
    "name": "Tokens",
    "currency": "USD",
    "cadence": "monthly",
    "model_type": "tiered",
    "tiered_config": {"tiers": TRACE_TIERS},
}
ADA = {
    "name": "Ada",
    "email": "ada@example.com",
    "external_customer_id": "ada",
    "billing_address": {"country": "GB", "city": "London", "line1": "12 St James's Square"},
}
SQL = "SELECT sum(tokens) FROM events WHERE event_name = 'llm_request'"
JsonObject = dict[str, Any]


class Shop(msgspec.Struct, frozen=True, kw_only=True):
    """The ids of what was set up, and the client it was set up with."""

    client: httpx.AsyncClient
    customer_id: str
    item_id: str
    metric_id: str
    price_id: str
    subscription_id: str

    async def post(self, path: str, body: JsonObject | None = None) -> JsonObject:
        """The answer to a POST that has to succeed."""
        return await post(self.client, path, body)

    async def get(self, path: str, **query: str | int | bool | list[str]) -> JsonObject:
        """The answer to a GET that has to succeed."""
        answer = await self.client.get(path, params=query)
        assert answer.status_code == 200, answer.text
        body: JsonObject = answer.json()
        return body

    async def use(self, *events: JsonObject, start: str = "2023-11-01", end: str = "2023-12-01") -> None:
        """Send the events as a backfill of a month and close it."""
        backfill = await self.post(
            "/events/backfills",
            {"timeframe_start": start, "timeframe_end": end, "replace_existing_events": False},
        )
        await self.post(f"/ingest?backfill_id={backfill['id']}", {"events": list(events)})
        await self.post(f"/events/backfills/{backfill['id']}/close")

    async def issue(self) -> JsonObject:
        """Issue the earliest month that is not invoiced."""
        draft = await self.post("/invoices", {"subscription_id": self.subscription_id})
        return await self.post(f"/invoices/{draft['id']}/issue")


def usage_event(key: str, tokens: int | str, timestamp: str = "2023-11-16T18:00:00Z", **properties: str) -> JsonObject:
    """One request of Ada's."""
    return {
        "event_name": "llm_request",
        "idempotency_key": key,
        "timestamp": timestamp,
        "external_customer_id": "ada",
        "properties": {"tokens": tokens, **properties},
    }


async def post(client: httpx.AsyncClient, path: str, body: JsonObject | None = None) -> JsonObject:
    """The answer to a POST that has to succeed."""
    answer = await client.post(path, json=body) if body is not None else await client.post(path)
    assert answer.status_code == 200, answer.text
    value: JsonObject = answer.json()
    return value


async def open_shop(client: httpx.AsyncClient, *, net_terms: int = 30) -> Shop:
    """Ada, subscribed to the trace's price from November 2023 on."""
    customer = await post(client, "/customers", ADA)
    item = await post(client, "/items", {"name": "Tokens"})
    metric = await post(client, "/metrics", {"name": "Tokens", "sql": SQL, "item_id": item["id"]})
    about = {"item_id": item["id"], "billable_metric_id": metric["id"]}
    price = await post(client, "/prices", TRACE_PRICE | about)
    subscription = await post(
        client,
        "/subscriptions",
        {
            "external_customer_id": "ada",
            "add_prices": [{"price_id": price["id"]}],
            "start_date": "2023-11-01",
            "net_terms": net_terms,
        },
    )
    return Shop(
        client=client,
        customer_id=customer["id"],
        item_id=item["id"],
        metric_id=metric["id"],
        price_id=price["id"],
        subscription_id=subscription["id"],
    )
