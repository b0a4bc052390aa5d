"""What is remembered: for how long, how much, and what goes first."""

from orbdo_server.engine.remembered import Remembered


class Seconds:
    """A timer that a test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """The present second."""
        return self.now


def test_an_answer_is_believed_until_its_time_is_over() -> None:
    """Up to the bound, and no longer at it; learned anew it begins again."""
    timer = Seconds()
    remembered: Remembered[str, int] = Remembered(seconds=5, entries_max=10, timer=timer)
    remembered.put("a", 1)
    timer.now = 4.999
    assert remembered.get("a") == 1
    timer.now = 5.0
    assert remembered.get("a") is None
    remembered.put("a", 2)
    timer.now = 9.999
    assert remembered.get("a") == 2


def test_nothing_is_known_of_what_was_never_learned() -> None:
    """None is no answer."""
    assert Remembered[str, int](seconds=5, entries_max=10).get("a") is None


def test_the_number_of_answers_is_bound() -> None:
    """Two are remembered; the third takes the place of the one that was learned first."""
    remembered: Remembered[str, int] = Remembered(seconds=5, entries_max=2)
    remembered.put("a", 1)
    remembered.put("b", 2)
    assert [remembered.get(key) for key in "ab"] == [1, 2]
    remembered.put("a", 3)
    remembered.put("c", 4)
    assert [remembered.get(key) for key in "abc"] == [3, None, 4]


def test_everything_can_be_forgotten() -> None:
    """What was known a moment ago is not known any more."""
    remembered: Remembered[str, int] = Remembered(seconds=5, entries_max=2)
    remembered.put("a", 1)
    remembered.clear()
    assert remembered.get("a") is None
