"""An app with the middleware in front of it, asked the way its users would ask."""

import httpx
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from orbdo_sdk import Orb
from orbdo_sdk.middleware import CheckUsageLimit, RequireFeature
from orbdo_server.commands.demonstration.catalog import ACCESS, TOKENS


def protected_app(orb: Orb) -> Starlette:
    """A small app that needs the feature and has to stay below the limit."""

    async def complete(_request: Request) -> Response:
        return PlainTextResponse("a completion")

    return Starlette(
        routes=[Route("/complete", complete)],
        middleware=[
            Middleware(RequireFeature, feature=ACCESS, orb=orb),
            Middleware(CheckUsageLimit, feature=TOKENS, orb=orb),
        ],
    )


async def ask(app: Starlette, customer: str) -> httpx.Response:
    """What the app answers to this customer."""
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
        return await client.get("/complete", headers={"X-Customer-Id": customer})
