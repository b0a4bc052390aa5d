"""``orbdo import`` on real files, into a data folder of its own."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from orbdo_sdk import SyncOrb
from orbdo_server.commands.demonstration.server import running_server
from orbdo_server.commands.import_events import import_events

HEADER = "at,account,id,tokens\n"
OLD = "2023-11-16 18:17:03.9799600"


def write(tmp_path: Path, name: str, text: str) -> Path:
    """A file to import."""
    path = tmp_path / name
    path.write_text(text)
    return path


def run(file: Path, data: Path | None, **options: object) -> None:
    """Import as the command line would."""
    wanted = {"timestamp": "at", "customer": "account", "key": "id", "event_type": "call", **options}
    import_events(file, data=data, **wanted)  # type: ignore[arg-type]  # options as a caller would give them


def usage_of(data: Path, customer: str, start: datetime, end: datetime) -> str:
    """What a sum of tokens says about the customer."""
    with SyncOrb.embedded(data) as orb:
        if customer not in [known.external_customer_id for known in orb.customers.list()]:
            orb.customers.create(customer_id=customer, name=customer, email="a@b.example")
        metric = orb.metrics.create(name="Tokens", sql="SELECT sum(tokens) FROM events")
        return str(orb.meter.get_usage(customer, metric.id, start=start, end=end).data[0].quantity)


def test_history_and_recent_events_of_one_file_both_count(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """History in two windows comes in as backfills, the rest as it is; importing again adds nothing."""
    now = datetime.now(UTC)
    rows = f"{OLD},acme,k1,10\n2022-01-01,acme,k2,20\n{(now - timedelta(hours=1)).isoformat()},acme,k3,3\n"
    file, data = write(tmp_path, "a.csv", HEADER + rows), tmp_path / "data"
    run(file, data)
    assert "3 events are new, 0 were there already." in capsys.readouterr().out
    run(file, data)
    assert "0 events are new, 3 were there already." in capsys.readouterr().out
    assert usage_of(data, "acme", datetime(2022, 1, 1, tzinfo=UTC), now) == "33"
    assert usage_of(data, "acme", datetime(2023, 11, 1, tzinfo=UTC), datetime(2023, 12, 1, tzinfo=UTC)) == "10"


def test_bad_rows_are_listed_and_the_rest_goes_in(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What we cannot read and what the server refuses are both named by their line; the exit status is 3."""
    rows = (
        f"{OLD},acme,k1,10\nnever,acme,k2,20\n{OLD},,k3,3\n{OLD},acme,{'k' * 256},4\n{OLD},acme,k5\n{OLD},acme,k6,6\n"
    )
    file, data = write(tmp_path, "a.csv", HEADER + rows), tmp_path / "data"
    with pytest.raises(SystemExit) as ended:
        run(file, data)
    assert ended.value.code == 3
    said = capsys.readouterr()
    assert "2 events are new, 0 were there already." in said.out
    assert "4 rows are no events:" in said.err
    assert "line 3: has no timestamp in column 'at': found 'never'" in said.err
    assert "line 4: has no customer in column 'account'" in said.err
    assert "line 5: " in said.err
    assert "line 6: has 3 values, the header has 4" in said.err
    assert usage_of(data, "acme", datetime(2023, 11, 1, tzinfo=UTC), datetime(2023, 12, 1, tzinfo=UTC)) == "16"


def test_json_lines_with_a_column_for_the_event_type(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One customer for all rows, keys from the rows themselves, chosen properties only."""
    lines = [json.dumps({"at": OLD, "kind": "call", "tokens": 5, "secret": "x"})] * 2
    file, data = write(tmp_path, "a.jsonl", "\n".join(lines)), tmp_path / "data"
    options = {"event_type": None, "event_type_column": "kind", "customer": None, "customer_id": "acme", "key": None}
    run(file, data, **options, properties="tokens")
    assert "2 events are new" in capsys.readouterr().out
    assert usage_of(data, "acme", datetime(2023, 11, 1, tzinfo=UTC), datetime(2023, 12, 1, tzinfo=UTC)) == "10"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"event_type_column": "kind"}, "give exactly one of --event-type and --event-type-column"),
        ({"customer_id": "a"}, "give exactly one of --customer and --customer-id"),
        ({"timestamp": "time"}, "a.csv has no column 'time'; its columns are at, account, id, tokens"),
        ({"timezone": "Mars/Olympus"}, "Mars/Olympus"),
        ({"url": "http://127.0.0.1:1"}, "give one of --data and --url, not both"),
    ],
)
def test_what_cannot_work_is_said_before_anything_is_sent(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: dict[str, object], message: str
) -> None:
    """On standard error, with exit status 1."""
    file = write(tmp_path, "a.csv", f"{HEADER}{OLD},acme,k1,10\n")
    with pytest.raises(SystemExit) as ended:
        run(file, tmp_path / "data", **options)
    assert ended.value.code == 1
    assert message in capsys.readouterr().err.replace("\n", " ")


def test_a_file_that_is_not_there_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The message names the file, without a traceback."""
    with pytest.raises(SystemExit):
        run(tmp_path / "none.csv", tmp_path / "data")
    assert capsys.readouterr().err == "orbdo: none.csv: No such file or directory\n"


def test_a_folder_that_a_server_uses_says_how_to_reach_the_server(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The file of the log has one owner."""
    file = write(tmp_path, "a.csv", f"{HEADER}{OLD},acme,k1,10\n")
    with running_server(tmp_path / "data"), pytest.raises(SystemExit):
        run(file, tmp_path / "data")
    assert "If a server is running on this folder, name it with --url instead." in capsys.readouterr().err


def test_a_running_server_takes_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over HTTP, with the key of the environment."""
    file = write(tmp_path, "a.csv", f"{HEADER}{OLD},acme,k1,10\n")
    with running_server(tmp_path / "data") as server:
        monkeypatch.setenv("ORBDO_API_KEY", server.api_key)
        run(file, None, url=server.url)
    assert "1 events are new" in capsys.readouterr().out


def test_an_import_that_fails_takes_its_history_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The backfill that was opened is undone, so that the next run is not in its own way."""
    data = tmp_path / "data"
    good = write(tmp_path, "good.csv", f"{HEADER}{OLD},acme,k1,10\n")
    clash = write(tmp_path, "clash.csv", f"{HEADER}{OLD},acme,same,10\n{OLD},acme,same,11\n")
    with pytest.raises(SystemExit) as ended:
        run(clash, data)
    assert ended.value.code == 1
    assert "same" in capsys.readouterr().err
    run(good, data)
    assert "1 events are new" in capsys.readouterr().out
