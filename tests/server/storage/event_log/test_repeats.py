"""Whether an event that shares its key with another is new, comes again or contradicts it."""

import pytest

from orbdo_server.core.customers import CustomerRef
from orbdo_server.core.events import Event
from orbdo_server.core.periods import Period
from orbdo_server.storage.event_log.backfills import Backfill
from orbdo_server.storage.event_log.repeats import Claims, Entry, Repeat
from tests.support.logged_events import ADA, RECEIVED, TENANT, days, event, on


def entry(of: Event, backfill_id: str | None = None, *, tenant: str = TENANT, target: int = 0) -> Entry:
    """An event, in the log or on its way."""
    return Entry(tenant=tenant, event=of, backfill_id=backfill_id, target=target)


def backfill(
    name: str,
    timeframe: Period | None = None,
    *,
    closed: bool = False,
    reverted: bool = False,
    replace: bool = True,
    customer: CustomerRef | None = None,
) -> Backfill:
    """A backfill of all of March, which replaces, unless told."""
    return Backfill(
        id=name,
        timeframe=timeframe or days(1, 31),
        customer=customer,
        replace_existing_events=replace,
        created_at=RECEIVED,
        created_position=1,
        closed_position=2 if closed else None,
        reverted_position=3 if reverted else None,
    )


def claims(*held: Entry, backfills: tuple[Backfill, ...] = (), deprecated: tuple[int, ...] = ()) -> Claims:
    """Claims of one tenant, some of whose events are deprecated."""
    return Claims(held, {(TENANT, one.id): one for one in backfills}, {(TENANT, target) for target in deprecated})


def test_a_key_is_claimed_once() -> None:
    """The first holds it; the same again is a duplicate, another payload a conflict, and the first stays."""
    those = claims()
    assert those.claim(entry(event("a", 1))) is None
    assert those.claim(entry(event("a", 1))) is Repeat.DUPLICATE
    assert those.claim(entry(event("a", 2))) is Repeat.CONFLICT
    assert those.claim(entry(event("a", 2))) is Repeat.CONFLICT
    assert those.claim(entry(event("b", 1))) is None


def test_a_key_is_its_tenants_own() -> None:
    """Two tenants may use the same key."""
    assert claims(entry(event("a"))).claim(entry(event("a"), tenant="other")) is None


def test_what_is_in_the_log_holds_its_key() -> None:
    """A held event repeats like one of the same group."""
    assert claims(entry(event("a", 1))).claim(entry(event("a", 2))) is Repeat.CONFLICT


@pytest.mark.parametrize("closed", [False, True])
def test_a_reverted_backfill_holds_no_key(closed: bool) -> None:
    """What can never be in effect again does not stand in the way, so backfills can be done over."""
    undone = backfill("bf_1", closed=closed, reverted=True)
    assert claims(entry(event("a"), "bf_1"), backfills=(undone,)).claim(entry(event("a"))) is None


@pytest.mark.parametrize("closed", [False, True])
def test_a_backfill_that_was_not_reverted_holds_its_keys(closed: bool) -> None:
    """Open or closed, its events are or will be in effect."""
    there = backfill("bf_1", closed=closed)
    assert claims(entry(event("a"), "bf_1"), backfills=(there,)).claim(entry(event("a"))) is Repeat.DUPLICATE


def test_a_replacing_backfill_may_use_the_keys_of_what_it_replaces() -> None:
    """The event that is there goes out of effect as the new one comes into it, so both are kept, once."""
    those = claims(entry(event("a", 1)), backfills=(backfill("bf_1"),))
    assert those.claim(entry(event("a", 1), "bf_1")) is None
    assert those.claim(entry(event("a", 1), "bf_1")) is Repeat.DUPLICATE
    assert those.claim(entry(event("a", 5), "bf_1")) is Repeat.CONFLICT


def test_a_replacing_backfill_replaces_a_closed_one_too() -> None:
    """Events that came in with an earlier backfill, now closed, are in effect like any other."""
    earlier = backfill("bf_1", closed=True)
    those = claims(entry(event("a"), "bf_1"), backfills=(earlier, backfill("bf_2")))
    assert those.claim(entry(event("a"), "bf_2")) is None


def test_a_replacing_backfill_does_not_reach_into_another_open_one() -> None:
    """Which of the two will be closed first is not known, so the key stays with the first."""
    those = claims(entry(event("a"), "bf_1"), backfills=(backfill("bf_1"), backfill("bf_2")))
    assert those.claim(entry(event("a"), "bf_2")) is Repeat.DUPLICATE


@pytest.mark.parametrize(
    "narrow",
    [
        backfill("bf_1", replace=False),
        backfill("bf_1", days(1, 15)),
        backfill("bf_1", days(16, 20)),
        backfill("bf_1", customer=CustomerRef(id="cus_bob", external_customer_id="bob")),
        backfill("bf_1", customer=CustomerRef(id="cus_bob", external_customer_id=None)),
    ],
)
def test_a_key_outside_of_what_is_replaced_stays_taken(narrow: Backfill) -> None:
    """Another mode, timeframe or customer leaves the event in effect, so its key counts as seen."""
    assert claims(entry(event("a")), backfills=(narrow,)).claim(entry(event("a"), "bf_1")) is Repeat.DUPLICATE


def test_a_replaced_event_is_found_by_either_name_of_the_customer() -> None:
    """The backfill of a customer takes events that carry our id or the caller's."""
    ours = Event(
        event_name="used",
        idempotency_key="b",
        timestamp=on(15),
        properties=event("b").properties,
        customer_id=ADA.id,
    )
    those = claims(entry(event("a")), entry(ours), backfills=(backfill("bf_1", customer=ADA),))
    assert those.claim(entry(event("a"), "bf_1")) is None
    assert those.claim(entry(ours, "bf_1")) is None


@pytest.mark.parametrize("units", [1, 2, 3])
def test_an_amended_event_holds_its_key_in_either_form(units: int) -> None:
    """A client may send again what it sent first or what it corrected that to; anything else contradicts both."""
    those = claims(entry(event("a", 1), target=7), entry(event("a", 2), target=7))
    assert those.claim(entry(event("a", units))) is (Repeat.CONFLICT if units == 3 else Repeat.DUPLICATE)


def test_the_key_of_a_deprecated_event_is_spent() -> None:
    """Whatever is sent under it, also by a backfill that replaces what is there, until the deprecation is undone."""
    held = (entry(event("a", 1), target=7), entry(event("a", 2), target=7), entry(event("b", 1), target=9))
    those = claims(*held, backfills=(backfill("bf_1"),), deprecated=(7,))
    assert those.claim(entry(event("a", 1))) is Repeat.DEPRECATED
    assert those.claim(entry(event("a", 3))) is Repeat.DEPRECATED
    assert those.claim(entry(event("a", 1), "bf_1")) is Repeat.DEPRECATED
    assert those.claim(entry(event("b", 1))) is Repeat.DUPLICATE
    assert claims(*held, backfills=(backfill("bf_1"),)).claim(entry(event("a", 1), "bf_1")) is None


def test_a_deprecated_event_of_a_reverted_backfill_holds_no_key() -> None:
    """It is out of effect for good, deprecated or not."""
    undone = backfill("bf_1", closed=True, reverted=True)
    held = entry(event("a"), "bf_1", target=7)
    assert claims(held, backfills=(undone,), deprecated=(7,)).claim(entry(event("a"))) is None


def test_beside_a_deprecated_event_the_other_one_under_the_key_is_repeated() -> None:
    """As when a backfill sent the key before its event was deprecated: what it sent is what counts."""
    held = (entry(event("a", 1), target=7), entry(event("a", 2), "bf_1", target=9))
    those = claims(*held, backfills=(backfill("bf_1", closed=True),), deprecated=(7,))
    assert those.claim(entry(event("a", 2))) is Repeat.DUPLICATE
    assert those.claim(entry(event("a", 1))) is Repeat.CONFLICT
