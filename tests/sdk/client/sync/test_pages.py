# Made from tests/sdk/client/test_pages.py by scripts/unasync.py: change that file and run it.
"""Lists as something to iterate over; the requests are tested with the resources."""

import pytest

from orbdo_sdk import Page, PaginationMetadata, SyncPages, UnexpectedAnswerError


class Numbers:
    """A list of numbers on some server, three pages long or endless."""

    def __init__(self, *, pages: int) -> None:
        self._pages = pages
        self.cursors: list[str | None] = []

    def fetch(self, cursor: str | None) -> Page[int]:
        """The page at the cursor, which is the number of the page as text."""
        self.cursors.append(cursor)
        number = int(cursor or "0")
        following = str(number + 1) if number + 1 < self._pages else None
        metadata = PaginationMetadata(has_more=following is not None, next_cursor=following)
        return Page(data=[2 * number, 2 * number + 1], pagination_metadata=metadata)


def test_iterating_brings_every_item() -> None:
    """Page after page in order, each asked for once."""
    numbers = Numbers(pages=3)
    assert list(SyncPages(numbers.fetch)) == [0, 1, 2, 3, 4, 5]
    assert numbers.cursors == [None, "1", "2"]


def test_nothing_is_asked_before_it_is_wanted() -> None:
    """A list that nobody looks at costs nothing, and the first item costs one page."""
    numbers = Numbers(pages=3)
    pages = SyncPages(numbers.fetch)
    assert numbers.cursors == []
    for item in pages:
        assert item == 0
        break
    assert numbers.cursors == [None]


def test_whole_pages_can_be_had() -> None:
    """From any cursor on, as often as wanted."""
    numbers = Numbers(pages=3)
    pages = SyncPages(numbers.fetch, cursor="1")
    for _ in range(2):
        assert [page.data for page in pages.pages()] == [[2, 3], [4, 5]]
    assert numbers.cursors == ["1", "2", "1", "2"]


def test_one_page_can_be_had_alone() -> None:
    """It says where the next one begins."""
    page = SyncPages(Numbers(pages=3).fetch, cursor="1").page()
    assert (page.data, page.pagination_metadata.next_cursor) == ([2, 3], "2")


def test_a_list_without_an_end_is_noticed() -> None:
    """As many pages as are allowed are read; one more is an error."""
    assert [page.data for page in SyncPages(Numbers(pages=3).fetch, pages_max=3).pages()] == [
        [0, 1],
        [2, 3],
        [4, 5],
    ]
    with pytest.raises(UnexpectedAnswerError, match="the list goes on after 2 pages"):
        _ = list(SyncPages(Numbers(pages=3).fetch, pages_max=2).pages())
