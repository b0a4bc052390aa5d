"""Documents: kept under a path, in a folder or in memory, and nowhere else."""

from pathlib import Path

import pytest

from orbdo_server.errors import StartError, UnavailableError
from orbdo_server.storage.documents import Documents

PDF = b"%PDF-1.7 and more"


@pytest.mark.parametrize("kind", ["memory", "file"])
def test_a_document_comes_back(kind: str, tmp_path: Path) -> None:
    """Byte for byte, and only under its own path."""
    documents = Documents("memory:///" if kind == "memory" else (tmp_path / "my documents").as_uri())
    documents.put("main/invoices/inv_1.pdf", PDF)
    assert documents.get("main/invoices/inv_1.pdf") == PDF
    assert documents.get("main/invoices/inv_2.pdf") is None
    assert documents.get("main/invoices") is None


def test_a_folder_holds_plain_files(tmp_path: Path) -> None:
    """Whoever runs the server can look at them; the folder is made when it is missing."""
    Documents((tmp_path / "a b%20#?" / "documents").as_uri()).put("main/inv_1.pdf", PDF)
    assert (tmp_path / "a b%20#?" / "documents" / "main" / "inv_1.pdf").read_bytes() == PDF


@pytest.mark.parametrize("path", ["../secret.txt", "main/../../secret.txt", "/../secret.txt", "", "main//x", "."])
def test_no_path_leads_out_of_the_folder(path: str, tmp_path: Path) -> None:
    """A path with dots names no document, whoever signed it."""
    (tmp_path / "secret.txt").write_text("secret")
    assert Documents((tmp_path / "documents").as_uri()).get(path) is None


@pytest.mark.parametrize("url", ["nonsense", "ftp://host/documents", "gopher:///x"])
def test_an_address_of_no_known_store_refuses_to_start(url: str) -> None:
    """The message names the setting and what it may look like."""
    with pytest.raises(StartError, match="ORBDO_DOCUMENTS_URL"):
        Documents(url)


def test_a_store_that_is_gone_says_to_come_again(tmp_path: Path) -> None:
    """A document that cannot be read is not reported as missing, and one that cannot be kept is not lost in silence."""
    documents = Documents((tmp_path / "documents").as_uri())
    (tmp_path / "documents").rmdir()
    (tmp_path / "documents").write_text("a file where the folder was")
    with pytest.raises(UnavailableError, match="document store"):
        documents.put("main/inv_1.pdf", PDF)
    with pytest.raises(UnavailableError, match="document store"):
        documents.get("main/inv_1.pdf")


def test_an_object_store_is_named_by_its_address() -> None:
    """Nothing is asked of it before the first document."""
    assert isinstance(Documents("s3://bucket/folder"), Documents)


def test_a_path_is_made_here(tmp_path: Path) -> None:
    """Keeping a document under a path that leads elsewhere is a mistake of ours."""
    with pytest.raises(AssertionError):
        Documents(tmp_path.as_uri()).put("../inv_1.pdf", PDF)
