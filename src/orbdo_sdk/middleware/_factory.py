"""A gate before it knows its application, as frameworks take their middleware."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from orbdo_sdk.middleware._asgi import ASGIApp, Receive, Scope, Send
from orbdo_sdk.middleware._gate import EntitlementGate

if TYPE_CHECKING:
    # For type checkers an entry of ``middleware=[...]`` is one of Starlette's; at run time no framework is imported.
    from starlette.middleware import Middleware as _Middleware
else:
    _Middleware = object


class GateFactory(_Middleware):
    """A gate that waits for its application: an entry of ``middleware=[...]``, or called with the application.

    It unpacks into class, positional and keyword arguments as Starlette's ``Middleware`` does. The options are checked
    when it is made; ConfigurationError says what cannot work.
    """

    def __init__(self, cls: Callable[..., EntitlementGate], **options: Any) -> None:
        cls(_nowhere, **options)
        self._make = cls
        # Instrumentation looks for these three; Starlette types them by a ParamSpec that is not known here.
        self.cls = cls
        self.args = ()  # type: ignore[assignment]  # see above
        self.kwargs = options  # type: ignore[assignment]  # see above

    def __iter__(self) -> Iterator[Any]:
        """Class, positional and keyword arguments."""
        return iter((self.cls, self.args, self.kwargs))

    def __call__(self, app: ASGIApp) -> EntitlementGate:
        """The gate in front of ``app``."""
        return self._make(app, **self.kwargs)

    def __repr__(self) -> str:
        """The gate and the options it was given."""
        options = ", ".join(f"{name}={value!r}" for name, value in self.kwargs.items())
        return f"{getattr(self._make, '__name__', self._make)}({options})"


async def _nowhere(scope: Scope, receive: Receive, send: Send) -> None:
    """Stand in for the application while options are checked; it is never called."""
