"""Waiting for what blocks, from an event loop and from a thread."""

import threading
from concurrent.futures import Future

import pytest

from orbdo_sdk.client._bridge import async_call, async_result, sync_call, sync_result


def settled(result: int | Exception) -> "Future[int]":
    """A future that has come to its end."""
    future: Future[int] = Future()
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)
    return future


@pytest.mark.anyio
async def test_a_loop_waits_without_standing_still() -> None:
    """A result or an error of another thread arrives, and a call is made on another thread."""
    assert await async_result(settled(7)) == 7
    with pytest.raises(ValueError, match="no"):
        await async_result(settled(ValueError("no")))
    here = threading.get_ident()
    assert await async_call(threading.get_ident) != here
    assert await async_call(int, "ff", base=16) == 255


def test_a_thread_waits_itself() -> None:
    """A result or an error arrives, and a call is made right here."""
    assert sync_result(settled(7)) == 7
    with pytest.raises(ValueError, match="no"):
        sync_result(settled(ValueError("no")))
    assert sync_call(threading.get_ident) == threading.get_ident()
    assert sync_call(int, "ff", base=16) == 255
