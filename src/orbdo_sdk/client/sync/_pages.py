# Made from src/orbdo_sdk/client/_pages.py by scripts/unasync.py: change that file and run it.
"""A list on the server as something to iterate over, one request a page, none before the first item is wanted."""

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from orbdo_sdk.errors import UnexpectedAnswerError
from orbdo_sdk.wire import Page

T = TypeVar("T")

# At 100 items a page this is a million items; a server that never ends is noticed before memory is.
PAGES_MAX = 10_000


class SyncPages(Generic[T]):
    """All items of a list, newest first, page after page.

    Iterate over it for the items, over ``pages()`` for whole pages, or ask for one ``page()``. Every iteration starts
    again at the cursor it was made with and asks the server anew, so an item made meanwhile may be missing.
    """

    def __init__(
        self,
        fetch: Callable[[str | None], Page[T]],
        *,
        cursor: str | None = None,
        pages_max: int = PAGES_MAX,
    ) -> None:
        self._fetch = fetch
        self._cursor = cursor
        self._pages_max = pages_max

    def page(self) -> Page[T]:
        """The one page at the cursor; its ``pagination_metadata.next_cursor`` leads to the next, None on the last."""
        return self._fetch(self._cursor)

    def pages(self) -> Iterator[Page[T]]:
        """Every page from the cursor on; raises UnexpectedAnswerError when the list does not come to an end."""
        cursor = self._cursor
        for _ in range(self._pages_max):
            page = self._fetch(cursor)
            yield page
            cursor = page.pagination_metadata.next_cursor
            if cursor is None:
                return
        raise UnexpectedAnswerError(f"the list goes on after {self._pages_max} pages", status=200)

    def __iter__(self) -> Iterator[T]:
        """Every item from the cursor on."""
        for page in self.pages():
            yield from page.data
