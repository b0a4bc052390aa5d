"""The table in PostgreSQL: every event is in it once, and without PostgreSQL the figures are left out."""

import os
import pwd
from datetime import UTC, datetime

import pytest

from benchmarks.event_fill import groups
from benchmarks.postgres import PostgresUnavailableError, identity_for
from benchmarks.postgres_inserts import Inserted, PostgresRates, postgres_figures, postgres_rates
from benchmarks.server_load import Shape

NOW = datetime(2026, 3, 15, 12, tzinfo=UTC)
ROOT_ID = 0


def nobody_is_there() -> bool:
    """Whether the system has the user that PostgreSQL runs as for root."""
    try:
        pwd.getpwnam("nobody")
    except KeyError:
        return False
    return True


@pytest.mark.slow
def test_every_form_inserts_what_it_is_given() -> None:
    """Single events and batches, on one connection and on several; that all are there is checked where it is timed."""
    events = [event for group in groups(8_500, group_events=8_500, seed=1, now=NOW) for event in group.events]
    rates = postgres_rates(events, seconds=1.0)
    if "cannot be run" in rates.note:
        pytest.skip(rates.note)
    assert {(shape.batch_events, shape.connections) for shape in rates.by_shape} == {
        (1, 1),
        (1, 8),
        (1, 64),
        (1_000, 1),
        (1_000, 8),
    }
    for inserted in rates.by_shape.values():
        assert inserted is not None
        assert inserted.events_per_second > 0
        assert 0 < inserted.p50_ms <= inserted.p99_ms


def test_without_postgres_its_figures_are_left_out_with_the_reason() -> None:
    """One figure a form, none of them with a value."""
    rates = PostgresRates({Shape(1, 64): None, Shape(1_000, 8): None}, "PostgreSQL cannot be run here: no such file")
    figures = list(postgres_figures(rates))
    assert [(figure.name, figure.value) for figure in figures] == [
        ("PostgreSQL, 1 x 64", None),
        ("PostgreSQL, 1,000 x 8", None),
    ]
    assert {figure.note for figure in figures} == {"PostgreSQL cannot be run here: no such file"}


def test_a_form_that_ran_has_a_rate_and_two_percentiles() -> None:
    """The note says how the events went in."""
    rates = PostgresRates({Shape(1_000, 8): Inserted(50_000.0, 100.0, 200.0)}, "PostgreSQL 18")
    figures = list(postgres_figures(rates))
    assert [figure.value for figure in figures] == [50_000.0, 100.0, 200.0]
    assert figures[0].note == "psycopg, COPY then one INSERT; PostgreSQL 18"


def test_postgres_runs_as_whoever_starts_it() -> None:
    """Nothing is changed for a user that is not root."""
    assert identity_for(os.getuid() or 1_000) == {"user": None, "group": None, "extra_groups": None}


def test_postgres_never_runs_as_root() -> None:
    """For root it runs as nobody, without any group of root's; where there is no such user, not at all."""
    if not nobody_is_there():
        with pytest.raises(PostgresUnavailableError, match="no user nobody"):
            identity_for(ROOT_ID)
        return
    identity = identity_for(ROOT_ID)
    assert identity["user"] == pwd.getpwnam("nobody").pw_uid != ROOT_ID
    assert identity["extra_groups"] == []
