"""Stalls: the longest wait of one request and of all, and how many were over the bound."""

import pytest

from benchmarks.stalls import Stalls, stalls


def test_the_longest_wait_is_found_of_one_request_and_of_all() -> None:
    """A request that waited 300 ms is late; others were answered meanwhile, so that nobody was silent for long."""
    answered = [(0.1, 0.01), (0.2, 0.01), (0.35, 0.3), (0.5, 0.01)]
    found = stalls(answered, start=0.0, end=0.6)
    assert found.longest_acknowledgement_ms == 300.0
    assert found.late_acknowledgements == 1
    assert found.longest_silence_ms == pytest.approx(150.0)
    assert found.long_silences == 0


def test_one_stall_is_one_silence_however_many_wait() -> None:
    """Three requests that one stall held up are late, and the silence counts once."""
    answered = [(0.1, 0.01), (0.5, 0.39), (0.501, 0.38), (0.502, 0.37), (0.6, 0.01)]
    found = stalls(answered, start=0.0, end=0.7)
    assert found.late_acknowledgements == 3
    assert found.long_silences == 1
    assert found.longest_silence_ms == pytest.approx(400.0)


@pytest.mark.parametrize(("seconds", "late"), [(0.2, 0), (0.200001, 1)])
def test_a_wait_is_late_past_the_bound(seconds: float, late: int) -> None:
    """At 200 ms an acknowledgement is not late, a microsecond past it it is."""
    assert stalls([(0.1, seconds)], start=0.0, end=0.2).late_acknowledgements == late


@pytest.mark.parametrize(("end", "silences"), [(0.2, 0), (0.200001, 1)])
def test_a_silence_is_long_past_the_bound(end: float, silences: int) -> None:
    """At 200 ms a silence is not long, a microsecond past it it is."""
    assert stalls([(0.0, 0.01)], start=0.0, end=end).long_silences == silences


def test_the_time_before_the_first_and_after_the_last_answer_counts() -> None:
    """A silence need not lie between two answers, and answers come in any order."""
    assert stalls([(0.9, 0.1), (0.7, 0.1)], start=0.0, end=1.0).longest_silence_ms == pytest.approx(700.0)
    assert stalls([(0.1, 0.1), (0.2, 0.1)], start=0.0, end=1.0).longest_silence_ms == pytest.approx(800.0)


def test_answers_outside_the_time_do_not_count() -> None:
    """Those of the warm-up and those at or after the end are left out; without any, all of the time is silent."""
    assert stalls([(0.9, 5.0), (2.0, 5.0)], start=1.0, end=2.0) == Stalls(
        longest_acknowledgement_ms=0.0, late_acknowledgements=0, longest_silence_ms=1000.0, long_silences=1
    )
