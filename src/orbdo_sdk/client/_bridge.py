"""What blocks a thread, as async code waits for it and as plain code does: the one difference between the twins."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


async def async_result(future: Future[T]) -> T:
    """The future's result, the event loop going on meanwhile."""
    return await asyncio.wrap_future(future)


def sync_result(future: Future[T]) -> T:
    """The future's result, this thread waiting for it."""
    return future.result()


async def async_call(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What the function returns, called on another thread."""
    return await asyncio.to_thread(function, *args, **kwargs)


def sync_call(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What the function returns, called here."""
    return function(*args, **kwargs)
