"""Invoices as PDF behind links that are signed, expire, and cannot be bent."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from orbdo_server.api.documents import EXPIRES_CHARACTERS_MAX, is_valid, signed_url
from orbdo_server.app import OrbdoApp, create_app
from orbdo_server.settings import Settings
from tests.support.knocking import ADMIN_KEY, knock
from tests.support.shop import open_shop

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 3, 15, 12, 0, 0, 123456, tzinfo=UTC)
HOUR = timedelta(hours=1)
SECRET = b"secret"
PATH = "main/invoices/inv_1.pdf"


def link(path: str = PATH, *, secret: bytes = SECRET, now: datetime = NOW) -> tuple[str, str, str]:
    """A link to a document for an hour: its path, expiry and signature."""
    url = signed_url(secret=secret, base_url="http://test", path=path, now=now, lifetime=HOUR).url
    query = parse_qs(urlsplit(url).query)
    return urlsplit(url).path, query["expires"][0], query["signature"][0]


def opens(path: str, expires: str, signature: str, *, at: datetime = NOW) -> bool:
    """Whether a link leads to its document."""
    return is_valid(secret=SECRET, path=path, expires=expires, signature=signature, now=at)


def test_a_link_is_good_until_it_expires() -> None:
    """To the second, and the answer says when."""
    made = signed_url(secret=SECRET, base_url="http://test", path=PATH, now=NOW, lifetime=HOUR)
    assert made.expires_at == datetime(2026, 3, 15, 13, 0, 0, tzinfo=UTC)
    _, expires, signature = link()
    assert opens(PATH, expires, signature)
    assert opens(PATH, expires, signature, at=made.expires_at - timedelta(microseconds=1))
    assert not opens(PATH, expires, signature, at=made.expires_at)


def test_every_part_of_a_link_is_signed() -> None:
    """Nothing of it can be changed, and no part can be moved into another."""
    _, expires, signature = link()
    later = str(int(expires) + 1)
    assert not opens("main/invoices/inv_2.pdf", expires, signature)
    assert not opens(PATH, later, signature)
    assert not opens(PATH, expires, signature[:-1] + ("0" if signature[-1] != "0" else "1"))
    assert not opens(PATH, expires, "")
    assert not opens(PATH + expires[0], expires[1:], signature)
    assert not opens(PATH, expires, link(secret=b"another")[2])


@pytest.mark.parametrize(
    "expires", ["", "never", "-1", "1e9", " 1", "\N{ARABIC-INDIC DIGIT ONE}" * 10, "9" * (EXPIRES_CHARACTERS_MAX + 1)]
)
def test_an_expiry_is_a_number_with_a_bound(expires: str) -> None:
    """Even when it is signed."""
    url = signed_url(secret=SECRET, base_url="", path=PATH, now=NOW, lifetime=HOUR).url
    assert not opens(PATH, expires, parse_qs(urlsplit(url).query)["signature"][0])


def test_a_link_is_an_address() -> None:
    """Whatever the path has in it."""
    assert link("main%3Aa b/\N{EURO SIGN}.pdf")[0] == "/documents/main%253Aa%20b/%E2%82%AC.pdf"


@pytest.fixture
async def pdf_url(client: httpx.AsyncClient) -> str:
    """A link to the PDF of an issued invoice."""
    shop = await open_shop(client)
    issued = await shop.issue()
    url: str = (await shop.get(f"/invoices/{issued['id']}/pdf"))["url"]
    return url


async def test_whoever_has_the_link_may_read(app: OrbdoApp, pdf_url: str) -> None:
    """Without a key; the document says what it is."""
    async with knock(app, key=None) as stranger:
        answer = await stranger.get(pdf_url)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.headers["content-disposition"].startswith('inline; filename="inv_')
    assert answer.headers["cache-control"] == "no-store"
    assert answer.content.startswith(b"%PDF-")


async def test_a_link_leads_to_the_same_document_again(client: httpx.AsyncClient, app: OrbdoApp) -> None:
    """A second link is another one, the document is not rendered anew."""
    shop = await open_shop(client)
    issued = await shop.issue()
    urls = [(await shop.get(f"/invoices/{issued['id']}/pdf"))["url"] for _ in range(2)]
    assert len({urlsplit(url).path for url in urls}) == 1
    assert len({(await client.get(url)).content for url in urls}) == 1


async def test_a_bent_link_leads_nowhere(app: OrbdoApp, pdf_url: str) -> None:
    """Changed, expired, without signature, to no document or out of the folder: the answers are the same."""
    parts = urlsplit(pdf_url)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    path = parts.path.removeprefix("/documents/")
    secret = app.stores.signing_secret

    def signed(target: str, *, lifetime: timedelta = HOUR) -> str:
        return signed_url(
            secret=secret, base_url="http://test", path=target, now=datetime.now(UTC), lifetime=lifetime
        ).url

    # httpx would take dots away before it asks.
    bent = [
        str(httpx.URL(pdf_url, params={**query, "signature": "0" * 64})),
        str(httpx.URL(pdf_url, params={**query, "expires": str(int(query["expires"]) + 3600)})),
        str(httpx.URL(pdf_url, params={"expires": query["expires"]})),
        str(httpx.URL(pdf_url, params={})),
        signed(path, lifetime=-HOUR),
        signed("main/invoices/inv_unknown.pdf"),
        signed("../control.sqlite3").replace("..", "%2E%2E"),
        signed("main/../../control.sqlite3").replace("..", "%2E%2E"),
        signed("/control.sqlite3"),
        signed("main//invoices"),
        pdf_url.replace("/documents/main/", "/documents/main%2F..%2F"),
        pdf_url.replace("/documents/", "/documents/..%2f"),
    ]
    said = set()
    async with knock(app, key=None) as stranger:
        for url in bent:
            answer = await stranger.get(url)
            problem = answer.json()
            said.add((answer.status_code, problem["code"], problem["title"], problem["detail"]))
    assert said == {(404, "resource_not_found", "A specified resource was not found.", "There is no such document.")}


@pytest.fixture
def behind_a_proxy(tmp_path: Path) -> Iterator[OrbdoApp]:
    """A server that was told how it is called outside."""
    url = "https://billing.example.com/orbdo/"
    app = create_app(Settings(data=tmp_path / "data", api_key=ADMIN_KEY, public_url=url))
    yield app
    app.close()


async def test_links_begin_with_the_address_that_is_set(behind_a_proxy: OrbdoApp) -> None:
    """Behind a proxy the server does not know how it is called; a slash at the end is one too many."""
    async with knock(behind_a_proxy) as client:
        shop = await open_shop(client)
        issued = await shop.issue()
        url = (await shop.get(f"/invoices/{issued['id']}/pdf"))["url"]
    assert url.startswith("https://billing.example.com/orbdo/documents/main/invoices/inv_")
