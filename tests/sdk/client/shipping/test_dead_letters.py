"""The events that will not be delivered by themselves."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from orbdo_sdk.client._shipping.dead_letters import DeadLetter, DeadLetters
from orbdo_sdk.client._shipping.encoding import encode_event
from orbdo_sdk.client._shipping.queued import Queued
from orbdo_sdk.errors import BufferFullError, SpoolError

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MakeLetters = Callable[..., DeadLetters]


class Resent:
    """Takes what is replayed, as long as it has room."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.room = 100

    def __call__(self, letter: DeadLetter) -> None:
        """Take the letter."""
        if not self.room:
            raise BufferFullError(events_max=1, bytes_max=1)
        self.room -= 1
        self.keys.append(letter.idempotency_key)


@pytest.fixture
def resent() -> Resent:
    """What has been replayed."""
    return Resent()


@pytest.fixture
def make_letters(resent: Resent) -> Iterator[MakeLetters]:
    """A maker of dead letters, closed after the test."""
    made: list[DeadLetters] = []

    def make(path: Path | None = None, letters_max: int = 100) -> DeadLetters:
        made.append(DeadLetters(path, letters_max=letters_max, now=lambda: NOON, resend=resent))
        return made[-1]

    yield make
    for letters in made:
        letters.close()


def event(key: str) -> Queued:
    """An event as it was tracked."""
    key, payload = encode_event(
        event_type="call",
        external_customer_id="acme",
        customer_id=None,
        properties={"n": 1},
        timestamp=NOON,
        idempotency_key=key,
        now=lambda: NOON,
        event_bytes_max=1_000,
    )
    return Queued(key, payload, 0.0)


def add(letters: DeadLetters, *keys: str) -> int:
    """Bury an event for each key."""
    return letters.add([(event(key), ("too old", "unknown")) for key in keys])


def keys(letters: DeadLetters, **options: int) -> list[str]:
    """The keys of what is listed."""
    return [letter.idempotency_key for letter in letters.list(**options)]


@pytest.fixture(params=["memory", "disk"])
def letters(request: pytest.FixtureRequest, make_letters: MakeLetters, tmp_path: Path) -> DeadLetters:
    """Dead letters of either kind."""
    return make_letters(tmp_path / "spool" / "letters" if request.param == "disk" else None)


def test_there_are_none_at_first(letters: DeadLetters) -> None:
    """An empty store lists, counts, replays and discards nothing."""
    assert (keys(letters), letters.count(), letters.replay(), letters.discard()) == ([], 0, 0, 0)


def test_a_letter_keeps_the_event_and_the_reasons(letters: DeadLetters) -> None:
    """Everything needed to judge and to send again is there."""
    assert add(letters, "a") == 1
    (letter,) = letters.list()
    assert letter.idempotency_key == "a"
    assert letter.reasons == ("too old", "unknown")
    assert letter.rejected_at == NOON
    assert letter.event.event_name == "call"
    assert letter.event.properties == {"n": 1}


def test_letters_are_listed_in_pages(letters: DeadLetters) -> None:
    """The oldest first; ``after`` continues behind an id."""
    add(letters, "a", "b", "c")
    assert letters.count() == 3
    first = letters.list(limit=2)
    assert [letter.idempotency_key for letter in first] == ["a", "b"]
    assert keys(letters, after=first[-1].id) == ["c"]


def test_the_page_is_bounded(letters: DeadLetters) -> None:
    """1 to 1,000 letters may be asked for."""
    assert letters.list(limit=1) == []
    assert letters.list(limit=1_000) == []
    for limit in (0, 1_001):
        with pytest.raises(ValueError, match="1 to 1000"):
            letters.list(limit=limit)


def test_replayed_letters_leave(letters: DeadLetters, resent: Resent) -> None:
    """Chosen letters or all are sent again and are gone then; an unknown id is not counted."""
    add(letters, "a", "b", "c")
    second = letters.list()[1].id
    assert letters.replay([second, 999]) == 1
    assert letters.replay() == 2
    assert resent.keys == ["b", "a", "c"]
    assert letters.count() == 0


def test_a_letter_that_finds_no_room_stays(letters: DeadLetters, resent: Resent) -> None:
    """A replay that fails in the middle loses nothing."""
    add(letters, "a", "b")
    resent.room = 1
    with pytest.raises(BufferFullError):
        letters.replay()
    assert keys(letters) == ["b"]


def test_discarded_letters_are_gone(letters: DeadLetters, resent: Resent) -> None:
    """Nobody sends them again."""
    add(letters, "a", "b")
    assert letters.discard([letters.list()[0].id]) == 1
    assert keys(letters) == ["b"]
    assert resent.keys == []


def test_the_number_of_letters_is_bounded(make_letters: MakeLetters) -> None:
    """Two fit, the third is not kept, which the caller is told."""
    letters = make_letters(letters_max=2)
    assert add(letters, "a") == 1
    assert add(letters, "b", "c") == 1
    assert add(letters, "d") == 0
    assert keys(letters) == ["a", "b"]


def test_letters_on_disk_outlive_their_process(make_letters: MakeLetters, tmp_path: Path) -> None:
    """Another process of the account sees them, even while the first one lives."""
    first, second = make_letters(tmp_path / "letters"), make_letters(tmp_path / "letters")
    add(first, "a")
    assert keys(second) == ["a"]
    first.close()
    second.discard()
    assert first.count() == 0


def test_a_forked_child_opens_the_file_anew(make_letters: MakeLetters, tmp_path: Path) -> None:
    """The parent's connection is not used in the child, the letters are the same."""
    letters = make_letters(tmp_path / "letters")
    letters.forget()
    add(letters, "a")
    letters.forget()
    assert keys(letters) == ["a"]


def test_a_damaged_file_is_noticed(make_letters: MakeLetters, tmp_path: Path) -> None:
    """What is no database is an error, never an empty list."""
    (tmp_path / "letters").write_bytes(b"not a database at all" * 100)
    with pytest.raises(SpoolError, match="cannot be read"):
        make_letters(tmp_path / "letters").list()
