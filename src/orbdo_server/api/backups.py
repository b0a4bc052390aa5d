"""The server as a whole, for its operator: a backup of it while it runs, and its release after it was restored.

Both are for keys of the account that may do everything, or have the scope by its name: a backup has what all tenants
have.
"""

from collections.abc import AsyncIterator
from contextlib import ExitStack
from functools import partial
from typing import Annotated

from anyio import CancelScope, CapacityLimiter, to_thread
from pydantic import Field
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from orbdo_sdk.wire import SendsReleased
from orbdo_server.api.dispatch import Handler, read_body
from orbdo_server.api.endpoints import Body, Call, Caller, Endpoint, NoQuery
from orbdo_server.engine.audit import record_change
from orbdo_server.engine.backup import Backup, backing_up
from orbdo_server.engine.keys import ACCOUNT, AGENT_ID_LENGTH_MAX, agent_tenant
from orbdo_server.engine.sends import INVOICE_NUMBER_MAX, release_sends
from orbdo_server.engine.stores import Stores
from orbdo_server.engine.transaction import Transaction
from orbdo_server.errors import ConflictError, ConstraintViolationError, InvalidRequestError, PermissionDeniedError
from orbdo_server.identifiers import new_id, utc_now
from orbdo_server.storage.backup_files import BackupError

SCOPE = "backup:write"
AGENTS_MAX = 1_000
MEDIA_TYPE = "application/x-tar"

AgentId = Annotated[str, Field(min_length=1, max_length=AGENT_ID_LENGTH_MAX)]
InvoiceNumber = Annotated[int, Field(ge=1, le=INVOICE_NUMBER_MAX)]


class Release(Body):
    """Where the numbers of invoices go on: those of the account, and by their ids those of agents."""

    next_invoice_number: InvoiceNumber | None = None
    next_invoice_numbers_of_agents: Annotated[dict[AgentId, InvoiceNumber], Field(max_length=AGENTS_MAX)] = {}


class BackupDoor:
    """``POST /v1/backup``: the file as it is made, and at its end the manifest that says that it is whole.

    One at a time; 409 for a second. An ASGI app behind ``RequireKey``. It is a change for the audit trail: whoever has
    a backup has everything.
    """

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        self._limiter = CapacityLimiter(1)
        self._is_busy = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        _require_operator(scope["orbdo.caller"])
        if (await read_body(request, bytes_max=self._stores.settings.body_bytes_max)).strip() not in {b"", b"{}"}:
            raise InvalidRequestError.of("body", "is not empty")
        if self._is_busy:
            message = "A backup is being made; there is one at a time."
            raise ConflictError(message)
        self._is_busy = True
        opened = ExitStack()
        try:
            backup = await to_thread.run_sync(partial(self._begin, opened, request), limiter=self._limiter)
            name = f'attachment; filename="orbdo-{backup.mark.position}.tar"'
            headers = {"Content-Disposition": name}
            response = StreamingResponse(self._chunks(backup), headers=headers, media_type=MEDIA_TYPE)
            await response(scope, receive, send)
        finally:
            with CancelScope(shield=True):
                await to_thread.run_sync(opened.close, limiter=self._limiter)
            self._is_busy = False

    def _begin(self, opened: ExitStack, request: Request) -> Backup:
        now, caller = utc_now(), request.scope["orbdo.caller"]
        with self._stores.database.write() as connection:
            transaction = Transaction(connection=connection, tenant=caller.tenant, now=now, new_id=new_id)
            record_change(
                transaction,
                actor=caller.key_id,
                action="POST /backup",
                resource_id=None,
                request_id=request.scope["orbdo.request_id"],
                address=request.client.host if request.client else "",
                request_hash="",
                response_hash="",
            )
        try:
            return opened.enter_context(backing_up(self._stores, now=now))
        except BackupError as error:
            raise ConstraintViolationError(str(error)) from error

    async def _chunks(self, backup: Backup) -> AsyncIterator[bytes]:
        chunks = backup.chunks()
        while (chunk := await to_thread.run_sync(next, chunks, None, limiter=self._limiter)) is not None:
            yield chunk


def release(call: Call[Release, NoQuery]) -> SendsReleased:
    """Send again; what is sent from now on."""
    _require_operator(call.caller)
    numbers = {agent_tenant(ACCOUNT, agent): n for agent, n in call.body.next_invoice_numbers_of_agents.items()}
    if call.body.next_invoice_number is not None:
        numbers[ACCOUNT] = call.body.next_invoice_number
    pause = release_sends(call.transaction, next_invoice_numbers=numbers)
    return SendsReleased(paused_at=pause.since, backup_created_at=pause.backup_created_at, position=pause.position)


def routes(stores: Stores, handler: Handler) -> list[Route]:
    """The routes below ``/v1``; ``handler`` answers a release."""
    return [
        Route(BACKUP.path, BackupDoor(stores), methods=[BACKUP.method]),
        Route(RELEASE.path, handler, methods=[RELEASE.method]),
    ]


def _require_operator(caller: Caller) -> None:
    if not caller.may(SCOPE):
        message = f"This needs a key with the scope {SCOPE}."
        raise PermissionDeniedError(message)
    if caller.tenant != ACCOUNT:
        message = "This is about the server as a whole, and not for an agent."
        raise PermissionDeniedError(message)


# Its answer is no JSON, so that the description of the API leaves it out.
BACKUP = Endpoint("POST", "/backup", BackupDoor, SCOPE, "Make a backup of the server, as a tar.", None, tag="backup")
RELEASE = Endpoint(
    "POST",
    "/backup/release",
    release,
    SCOPE,
    "Send again after a restore.",
    SendsReleased,
    body=Release,
    tag="backup",
)
ENDPOINTS = (BACKUP, RELEASE)
