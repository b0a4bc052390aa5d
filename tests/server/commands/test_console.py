"""How commands speak to people."""

import pytest

from orbdo_server.commands.console import fail


@pytest.mark.parametrize(
    "message", ["the port is taken", "[/bold] [red]not markup[/red]", "/data/[old]/control.sqlite3"]
)
def test_what_went_wrong_is_said_as_it_is(capsys: pytest.CaptureFixture[str], message: str) -> None:
    """On standard error, with exit status 1; brackets are brackets."""
    with pytest.raises(SystemExit) as ended:
        fail(message)
    assert ended.value.code == 1
    assert capsys.readouterr() == ("", f"orbdo: {message}\n")
