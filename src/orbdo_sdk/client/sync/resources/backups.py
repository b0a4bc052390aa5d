# Made from src/orbdo_sdk/client/resources/backups.py by scripts/unasync.py: change that file and run it.
"""Backups: what the operator of a server says after one was restored. Making one is for ``orbdo backup``."""

from collections.abc import Mapping

from orbdo_sdk.client._vocabulary import given, path
from orbdo_sdk.client.sync.resources._resource import Resource
from orbdo_sdk.wire import SendsReleased


class Backups(Resource):
    """A server that was restored from a backup; only an admin key of the account may use this."""

    def release(
        self,
        *,
        next_invoice_number: int | None = None,
        next_invoice_numbers_of_agents: Mapping[str, int] | None = None,
    ) -> SendsReleased:
        """Let a restored server send again, and what it was restored from.

        Numbers of invoices that were given out after the backup was made are free again: ``next_invoice_number`` says
        where the account's go on, and those of agents by their ids. Raises BadRequestError when nothing is paused, for
        an agent that does not exist, and for a number that the backup knows to be given out.
        """
        agents = None if next_invoice_numbers_of_agents is None else {**next_invoice_numbers_of_agents}
        body = given(next_invoice_number=next_invoice_number, next_invoice_numbers_of_agents=agents)
        return self._post(SendsReleased, path("backup", "release"), body)
