"""uvicorn's two protocol classes, bounded: the same connection, parsed in Python or in C.

Which methods and attributes of uvicorn this relies on is checked when it is imported, so that a version without them
is refused before it serves anything.
"""

from http import HTTPStatus

import h11
import uvicorn
from uvicorn.protocols.http import h11_impl, httptools_impl
from uvicorn.protocols.http.flow_control import FlowControl

from orbdo_server.api.ingest import ANSWER
from orbdo_server.commands.http_connections import BoundedConnection


class H11Connection(BoundedConnection, h11_impl.H11Protocol):
    """A connection parsed by h11, in Python."""

    def _parse(self, data: bytes | memoryview) -> bool:
        before = self.cycle
        self._hand_on(data)
        return self.cycle is not before or self.conn.their_state is not h11.IDLE

    def _go_on(self) -> None:
        h11_impl.H11Protocol.on_response_complete(self)

    def _is_in_headers(self) -> bool:
        return bool(self.conn.trailing_data[0])

    def _is_in_body(self) -> bool:
        return self.conn.their_state is h11.SEND_BODY


class HttptoolsConnection(BoundedConnection, httptools_impl.HttpToolsProtocol):
    """A connection parsed by httptools, in C."""

    _in_headers = False
    _in_body = False
    _advanced = False

    def _parse(self, data: bytes | memoryview) -> bool:
        self._advanced = False
        self._hand_on(data)
        return self._advanced

    def _go_on(self) -> None:
        # What uvicorn does, without its timer for the next request: we have one for the connection.
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())

    def _is_in_headers(self) -> bool:
        return self._in_headers

    def _is_in_body(self) -> bool:
        return self._in_body

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        self._in_headers = True
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header; what follows a body is none, whatever it is called."""
        if not self._in_body:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The last byte of the headers."""
        self._in_headers, self._in_body, self._advanced = False, True, True
        assert self.parser is not None, "it calls this"
        if self.parser.should_upgrade() and self._has_body():
            # The parser takes the body for the beginning of the other protocol.
            self.problem = "An offer to upgrade cannot come with a body; send the request in HTTP/1.1."
            raise ValueError(self.problem)
        super().on_headers_complete()
        self.cycle.scope[ANSWER] = self._answer

    def _answer(self, rest: bytes) -> bool:
        """Answer the request that is worked on with 200 and these headers and body, or say that ``send`` has to.

        ``send`` looks at each header of each answer, which takes longer than writing it; these were looked at once.
        """
        cycle = self.cycle
        # With others behind it the request is not the last that came in.
        is_last = not self.pipeline and not cycle.response_started
        if not is_last or cycle.disconnected or self.flow.write_paused or not cycle.keep_alive:
            return False
        cycle.response_started = cycle.response_complete = True
        cycle.waiting_for_100_continue = False
        dated = [b"%b: %b\r\n" % header for header in self.server_state.default_headers]
        self.transport.write(b"".join([httptools_impl.STATUS_LINE[HTTPStatus.OK], *dated, rest]))
        cycle.message_event.set()
        cycle.on_response()
        return True

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._advanced = True
        super().on_body(body)

    def on_chunk_header(self) -> None:
        """The size of a chunk, which may be followed by an extension, or of none, which trailers may follow."""
        self._advanced = True

    def on_message_complete(self) -> None:
        """The last byte of a request."""
        self._in_body, self._advanced = False, True
        super().on_message_complete()

    def _is_answering(self) -> bool:
        return bool(self.pipeline) or super()._is_answering()

    def _has_body(self) -> bool:
        return any(
            name == b"transfer-encoding" or (name == b"content-length" and value != b"0")
            for name, value in self.headers
        )


CONNECTIONS: dict[str, type[H11Connection] | type[HttptoolsConnection]] = {
    "h11": H11Connection,
    "httptools": HttptoolsConnection,
}


def require_names(kind: type, *names: str) -> None:
    """Fail when a class has no such method, and sets no such attribute in the beginning."""
    known = {*dir(kind), *vars(kind)["__init__"].__code__.co_names}
    missing = sorted(set(names) - known)
    assert not missing, f"{kind.__module__} of uvicorn {uvicorn.__version__} has no {', '.join(missing)}"


_CYCLE = ("more_body", "response_started", "response_complete", "waiting_for_100_continue")
_ANSWERED = ("disconnected", "keep_alive", "message_event", "on_response", "scope")
_PROTOCOL = (
    *("app", "config", "connections", "cycle", "flow", "loop", "transport"),
    *("connection_lost", "connection_made", "data_received", "on_response_complete", "send_400_response"),
    "_unsupported_upgrade_warning",
)
_GOING_ON = ("_start_asgi_task", "pipeline", "server_state")
_PARSED = ("on_message_begin", "on_header", "on_headers_complete", "on_body", "on_message_complete")
require_names(h11_impl.RequestResponseCycle, *_CYCLE)
require_names(h11_impl.H11Protocol, *_PROTOCOL, "conn")
require_names(httptools_impl.RequestResponseCycle, *_CYCLE, *_ANSWERED)
require_names(httptools_impl.HttpToolsProtocol, *_PROTOCOL, *_PARSED, *_GOING_ON, "headers", "parser")
require_names(FlowControl, "read_paused", "resume_reading", "write_paused")
