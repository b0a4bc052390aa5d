"""Rendered documents, kept where ``ORBDO_DOCUMENTS_URL`` says: a folder, or an object store."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.exceptions import NotFoundError as ObjectNotFoundError
from obstore.store import LocalStore, MemoryStore, ObjectStore, from_url

from orbdo_server.errors import UnavailableError
from orbdo_server.settings import SettingsError


class Documents:
    """Whole documents by path; a path is written once and its content never changes.

    Raises ``SettingsError`` for an address of no known store, and ``UnavailableError`` when the store does not answer.
    """

    def __init__(self, url: str) -> None:
        self._store = _open(url)

    def put(self, path: str, content: bytes) -> None:
        """Keep a document under ``path``, such as ``main/invoices/inv_1.pdf``."""
        assert _is_plain(path), "the path of a document is made here"
        try:
            obstore.put(self._store, path, content)
        except (BaseError, OSError) as error:
            raise _unavailable() from error

    def get(self, path: str) -> bytes | None:
        """The document under ``path``, None when there is none; a path that leads elsewhere names none."""
        if not _is_plain(path):
            return None
        try:
            return bytes(obstore.get(self._store, path).bytes())
        except (ObjectNotFoundError, FileNotFoundError):
            return None
        except (BaseError, OSError) as error:
            raise _unavailable() from error


def _open(url: str) -> ObjectStore:
    parts = urlsplit(url)
    if parts.scheme == "memory":
        return MemoryStore()
    if parts.scheme == "file":
        return LocalStore(Path(unquote(parts.path)), mkdir=True)
    try:
        return from_url(url)
    except (BaseError, ValueError) as error:
        # The address is not repeated: it may hold a password.
        message = "ORBDO_DOCUMENTS_URL must look like file:///folder, s3://bucket/folder, gs://... or az://..."
        raise SettingsError(message) from error


def _is_plain(path: str) -> bool:
    return all(part not in {"", ".", ".."} for part in path.split("/"))


def _unavailable() -> UnavailableError:
    return UnavailableError("The document store cannot take this now.")
