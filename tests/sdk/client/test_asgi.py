"""An app's lifespan seen from outside."""

from pathlib import Path

import pytest

from orbdo_sdk import ConfigurationError
from orbdo_sdk.client._asgi import Lifespan, Message, Receive, Send
from tests.sdk.client.small_app import SmallApp

pytestmark = pytest.mark.anyio


class Silent:
    """An app that says nothing and ends, or says one thing and goes on."""

    api_key = ""

    def __init__(self, *words: Message) -> None:
        self._words = words

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Hold the conversation."""
        assert scope["type"] == "lifespan"
        for word in self._words:
            await receive()
            await send(word)


async def test_an_app_is_started_and_stopped() -> None:
    """Each returns once the app has done it."""
    life: list[str] = []
    lifespan = Lifespan(SmallApp(Path(), life))
    await lifespan.start()
    assert life == ["start"]
    await lifespan.stop()
    assert life == ["start", "stop"]


@pytest.mark.parametrize(("trouble", "problem"), [("startup", "the log is damaged"), ("shutdown", "the disk is full")])
async def test_an_app_may_refuse(trouble: str, problem: str) -> None:
    """What it raised is raised here."""
    lifespan = Lifespan(SmallApp(Path(), [], trouble=trouble))
    if trouble == "shutdown":
        await lifespan.start()
    with pytest.raises(RuntimeError, match=problem):
        await (lifespan.start() if trouble == "startup" else lifespan.stop())


async def test_an_app_may_refuse_with_a_word_or_without() -> None:
    """Its word is the error's; without one the error says at least when."""
    with pytest.raises(ConfigurationError, match="no room"):
        await Lifespan(Silent({"type": "lifespan.startup.failed", "message": "no room"})).start()
    with pytest.raises(ConfigurationError, match=r"the embedded server's lifespan\.startup failed"):
        await Lifespan(Silent({"type": "lifespan.startup.failed"})).start()


async def test_an_app_that_refuses_need_not_end() -> None:
    """Its word is enough."""
    words: list[Message] = [{"type": "lifespan.startup.failed", "message": "no room"}, {"type": "never.said"}]
    with pytest.raises(ConfigurationError, match="no room"):
        await Lifespan(Silent(*words), farewell_seconds=0.0).start()


async def test_an_app_may_end_before_it_answers() -> None:
    """Silently, or with an exception of its own."""
    with pytest.raises(ConfigurationError, match=r"the embedded server ended during lifespan\.startup"):
        await Lifespan(Silent()).start()

    class Broken(Silent):
        async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await Lifespan(Broken()).start()


async def test_an_app_may_end_between_start_and_stop() -> None:
    """Stopping it is an error then."""
    lifespan = Lifespan(Silent({"type": "lifespan.startup.complete"}))
    await lifespan.start()
    with pytest.raises(ConfigurationError, match=r"the embedded server ended during lifespan\.shutdown"):
        await lifespan.stop()
