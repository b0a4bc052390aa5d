"""Everything the server says no with.

ServerError
├── InvalidRequestError       a field is wrong; names each of them
│   └── DuplicateResourceError
│                             an id is taken
├── ConstraintViolationError  the request is well formed but not possible in the present state
├── AuthenticationError       no key, or not one of ours
├── PermissionDeniedError     the key may not do this
├── NotFoundError             no such resource, or another tenant's
│   └── UrlNotFoundError      no endpoint has this address
├── MethodNotAllowedError     the address exists, the method does not
├── SlowRequestError          the request did not come in within its deadline
├── ConflictError             somebody else is changing the same thing
├── TooLargeError             over a bound, which it names
│   └── HeadersTooLargeError  the headers are
├── UnsupportedMediaError     a content type or encoding we do not read
├── TooManyRequestsError      come back after ``retry_after_seconds``
└── UnavailableError          storage cannot take it now; nothing was acknowledged

StartError                    the server does not start, and says what to do about it
├── SettingsError             a setting is unknown or cannot be read (settings.py)
├── BackupError               a backup cannot be made, read or restored (storage/backup_files.py)
├── NewerDatabaseError        the database was written by a newer version
└── DamagedDatabaseError      the database lost or changed something
"""

from typing import ClassVar, Self

from orbdo_sdk.wire import FieldProblem

# Ids are shorter; what a caller sends in the place of one may have any length.
IDENTIFIER_SHOWN_MAX = 255


class ServerError(Exception):
    """Something the caller is told about."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_server_error"
    title: ClassVar[str] = "Something went wrong on our side."

    def __init__(self, detail: str, *, problems: list[FieldProblem] | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.problems = problems or []


class InvalidRequestError(ServerError):
    """A field of the request is wrong."""

    status = 400
    code = "request_validation_errors"
    title = "The request has a field that is wrong."

    @classmethod
    def of(cls, field: str, message: str) -> Self:
        """The error for a single field."""
        return cls(f"{field}: {message}", problems=[FieldProblem(field=field, message=message)])


class DuplicateResourceError(InvalidRequestError):
    """An id that must be unique is taken."""

    code = "duplicate_resource_creation"
    title = "A resource with this id exists."


class ConstraintViolationError(ServerError):
    """The request is well formed but the present state does not allow it."""

    status = 400
    code = "constraint_violation"
    title = "The present state does not allow this."


class AuthenticationError(ServerError):
    """The key is missing, malformed, unknown, expired or revoked; the answer is the same for each."""

    status = 401
    code = "authentication_error"
    title = "The API key is missing or not valid."

    def __init__(self) -> None:
        super().__init__("Send a valid key as 'Authorization: Bearer <key>'.")


class PermissionDeniedError(ServerError):
    """The key is valid but its scopes do not cover the request."""

    status = 403
    code = "permission_denied"
    title = "The API key may not do this."


class NotFoundError(ServerError):
    """There is no such resource for this tenant."""

    status = 404
    code = "resource_not_found"
    title = "A specified resource was not found."

    @classmethod
    def of(cls, kind: str, identifier: str) -> "NotFoundError":
        """The error for a resource of ``kind`` that ``identifier`` does not name."""
        return cls(f"Could not find a resource of type {kind} with identifier: {identifier[:IDENTIFIER_SHOWN_MAX]}")


class UrlNotFoundError(NotFoundError):
    """No endpoint has this address."""

    code = "url_not_found"
    title = "There is no such address."


class MethodNotAllowedError(ServerError):
    """The address exists, but not with this method."""

    status = 405
    code = "method_not_allowed"
    title = "The address does not take this method."


class SlowRequestError(ServerError):
    """The headers or the body of a request did not come in within their deadline."""

    status = 408
    code = "request_timeout"
    title = "The request came in too slowly."


class ConflictError(ServerError):
    """The same thing is being changed, or was changed, by another request."""

    status = 409
    code = "resource_conflict"
    title = "The request conflicts with another."


class TooLargeError(ServerError):
    """The request is over a bound, which the detail names."""

    status = 413
    code = "request_too_large"
    title = "The request is too large."


class HeadersTooLargeError(TooLargeError):
    """The headers of the request are over their bound."""

    status = 431
    code = "request_headers_too_large"
    title = "The headers of the request are too large."


class UnsupportedMediaError(ServerError):
    """The content type or encoding is not one of ours."""

    status = 415
    code = "unsupported_media_type"
    title = "The content type or encoding is not supported."

    def __init__(self, detail: str, *, accept_encoding: str | None = None) -> None:
        super().__init__(detail)
        self.accept_encoding = accept_encoding


class TooManyRequestsError(ServerError):
    """The server is at its bound; nothing of the request was taken."""

    status = 429
    code = "too_many_requests"
    title = "Too many requests."

    def __init__(self, detail: str, *, retry_after_seconds: int) -> None:
        super().__init__(detail)
        self.retry_after_seconds = retry_after_seconds


class UnavailableError(ServerError):
    """Storage cannot take the request now; nothing was acknowledged."""

    status = 503
    code = "unavailable"
    title = "The server cannot take this now."


class StartError(Exception):
    """The server does not start; the message is for whoever runs it."""


class NewerDatabaseError(StartError):
    """The database was written by a newer version of the server."""

    def __init__(self, *, found: str, known: str) -> None:
        self.found = found
        self.known = known
        super().__init__(
            f"The database has revision {found}, this version knows {known}: it was written by a newer version. "
            "Start that version, or restore a backup made before it."
        )


class DamagedDatabaseError(StartError):
    """The database lost or changed something."""

    def __init__(self, *, problem: str) -> None:
        self.problem = problem
        super().__init__(f"The database is damaged and is not served: {problem}. Restore a backup.")
