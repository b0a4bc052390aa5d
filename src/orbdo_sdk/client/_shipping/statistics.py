"""Counters of the shipping: what became of every event. Numbers only; nothing here acts on them."""

from typing import Literal

import msgspec

DropReason = Literal[
    "buffer_full", "closed", "conflict", "dead_letters_full", "expired", "rejected", "spool_failed", "terminated"
]


class Drop(msgspec.Struct, frozen=True, kw_only=True):
    """An event that will not be delivered by itself, and why.

    ``kept`` says whether it is still among the dead letters, from where it can be replayed. ``payload`` is its JSON.
    """

    reason: DropReason
    idempotency_key: str
    payload: bytes
    detail: str
    kept: bool


class Statistics(msgspec.Struct, frozen=True, kw_only=True):
    """A reading of the counters since the client was made (or the process was forked).

    Events: ``accepted`` by this process, ``adopted`` from the spools of dead ones, ``replayed`` from the dead letters,
    which are accepted anew;
    ``acknowledged`` (of which ``duplicate``, of which ``conflict``: not counted, since the server has another event
    under the key), ``rejected``, ``withdrawn`` with the failed call that brought them,
    ``dropped`` by reason (with ``rejected`` and ``expired`` ones, which are kept among the dead letters);
    ``spooled`` is how many were written to disk. Requests: ``sent``, of which ``retried``.
    Now: ``in_memory``, ``on_disk`` (both may hold the same event), and the age of the oldest one in memory.
    """

    accepted: int
    adopted: int
    replayed: int
    sent: int
    retried: int
    acknowledged: int
    duplicate: int
    rejected: int
    withdrawn: int
    dropped: dict[DropReason, int]
    spooled: int
    in_memory: int
    on_disk: int
    oldest_age_seconds: float
    conflict: int = 0
