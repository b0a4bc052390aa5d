"""What an agent is, and how many of their clients are kept."""

from dataclasses import dataclass
from uuid import UUID

import pytest

from orbdo_sdk import ConfigurationError
from orbdo_sdk.client._agents import AGENTS_MAX, Agent, AgentOrbs, agent_id


@dataclass
class Robot:
    """An agent of some framework."""

    id: object


@pytest.mark.parametrize(
    ("agent", "identifier"),
    [
        ("researcher-7", "researcher-7"),
        (Robot("writer"), "writer"),
        (Robot(7), "7"),
        (Robot(UUID("01890a5d-ac96-774b-bcce-b302099a8057")), "01890a5d-ac96-774b-bcce-b302099a8057"),
        ("a" * 48, "a" * 48),
    ],
)
def test_an_agent_is_an_id_or_has_one(agent: Agent, identifier: str) -> None:
    """Whatever its id is, it is read as text."""
    assert agent_id(agent) == identifier


@pytest.mark.parametrize("agent", ["", "a" * 49, "two words", "zwölf", "a\nb", Robot(""), Robot(None), object(), 7])
def test_an_id_fits_into_a_header(agent: Agent) -> None:
    """1 to 48 printable ASCII characters without spaces; anything else, or no id at all, is refused at once."""
    with pytest.raises(ConfigurationError, match="agent"):
        agent_id(agent)


def test_an_agent_has_one_client_until_it_is_forgotten() -> None:
    """The same agent gets the same one, another agent another, and a forgotten one is made anew."""
    orbs: AgentOrbs[list[str]] = AgentOrbs()
    first = orbs.get("a", lambda agent: [agent])
    assert orbs.get("a", lambda agent: [agent]) is first
    assert orbs.get("b", lambda agent: [agent]) == ["b"]
    assert orbs.all() == [["a"], ["b"]]
    orbs.forget("a")
    orbs.forget("a")
    assert orbs.all() == [["b"]]
    assert orbs.get("a", lambda agent: [agent]) is not first


def test_so_many_agents_are_kept() -> None:
    """The last one fits, one past it is refused, and those that are there still work."""
    assert AGENTS_MAX == 1_000
    orbs: AgentOrbs[str] = AgentOrbs(orbs_max=2)
    assert [orbs.get(agent, str.upper) for agent in ("a", "b")] == ["A", "B"]
    with pytest.raises(ConfigurationError, match="at most 2 agents"):
        orbs.get("c", str.upper)
    assert orbs.get("b", str.upper) == "B"
