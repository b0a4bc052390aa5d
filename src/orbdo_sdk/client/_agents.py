"""Agents: each has a meter, customers and invoices of its own on the server, apart from all others of the account.

Which agent a request is for travels in a header; what an agent is, its framework knows.
"""

import threading
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from orbdo_sdk.errors import ConfigurationError

T = TypeVar("T")

AGENT_HEADER = "Orbdo-Agent"
AGENT_ID_CHARS_MAX = 48
# Each one that meters has threads and a buffer of its own.
AGENTS_MAX = 1_000


class Identified(Protocol):
    """Anything with an ``id``, such as the agent object of an agent framework."""

    @property
    def id(self) -> object:
        """What tells it from others; it is read as text."""
        ...


Agent = str | Identified


def agent_id(agent: Agent) -> str:
    """The agent's id as text; raises ConfigurationError when it cannot be a header's value."""
    # An agent that has no id yet must not share a meter with all others that have none.
    identifier = agent if isinstance(agent, str) else getattr(agent, "id", None)
    if identifier is None:
        raise ConfigurationError(f"an agent is an id or an object with an id, not {type(agent).__name__}")
    text = str(identifier)
    if not 0 < len(text) <= AGENT_ID_CHARS_MAX or not all("!" <= character <= "~" for character in text):
        raise ConfigurationError(
            f"an agent's id must be 1 to {AGENT_ID_CHARS_MAX} printable ASCII characters without spaces, got {text!r}"
        )
    return text


class AgentOrbs(Generic[T]):
    """The clients that one Orb made for agents: one an agent, up to ``orbs_max``, safe from any thread."""

    def __init__(self, *, orbs_max: int = AGENTS_MAX) -> None:
        self._orbs_max = orbs_max
        self._orbs: dict[str, T] = {}
        self._lock = threading.Lock()

    def get(self, agent: str, make: Callable[[str], T]) -> T:
        """The agent's client, made when there is none; raises ConfigurationError when there are too many."""
        with self._lock:
            if agent not in self._orbs:
                if len(self._orbs) >= self._orbs_max:
                    raise ConfigurationError(f"an Orb keeps at most {self._orbs_max} agents: close some of their Orbs")
                self._orbs[agent] = make(agent)
            return self._orbs[agent]

    def all(self) -> list[T]:
        """Every agent's client, the oldest first."""
        with self._lock:
            return list(self._orbs.values())

    def forget(self, agent: str) -> None:
        """The agent's client was closed; the next one is another."""
        with self._lock:
            self._orbs.pop(agent, None)
