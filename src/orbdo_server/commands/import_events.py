"""``orbdo import``: a CSV, JSON lines or Parquet file becomes events, counted once however often it is imported."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated

import anyio
from cyclopts import Parameter
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from orbdo_sdk import ConfigurationError, Orb, OrbError
from orbdo_server.commands.console import errors, fail, output
from orbdo_server.commands.importing.mapping import Columns, Constants, mapping_problem
from orbdo_server.commands.importing.rows import FileFormat, UnreadableFileError, columns_of, format_of
from orbdo_server.commands.importing.shipping import Outcome, Shipment
from orbdo_server.commands.importing.source import Source, survey
from orbdo_server.core.errors import CoreError
from orbdo_server.core.periods import zone_info
from orbdo_server.identifiers import utc_now

BAD_ROWS_SHOWN_MAX = 50
SOME_ROWS_BAD = 3


def import_events(
    file: Annotated[Path, Parameter(help="A .csv, .tsv, .jsonl or .parquet file.")],
    *,
    timestamp: Annotated[str, Parameter(help="The column that says when it happened.")],
    customer: Annotated[str | None, Parameter(help="The column with the customer's id.")] = None,
    customer_id: Annotated[str | None, Parameter(help="One customer for all rows.")] = None,
    key: Annotated[str | None, Parameter(help="The column with the idempotency key; else a hash of the row.")] = None,
    event_type: Annotated[str | None, Parameter(help="One event type for all rows.")] = None,
    event_type_column: Annotated[str | None, Parameter(help="The column with the event type.")] = None,
    properties: Annotated[str | None, Parameter(help="Columns to keep, as a,b,c; else all that are not used.")] = None,
    timezone: Annotated[str, Parameter(help="The time zone of timestamps that name none.")] = "UTC",
    file_format: Annotated[FileFormat | None, Parameter(name="--format", help="When the suffix does not say.")] = None,
    data: Annotated[Path | None, Parameter(help="The data folder of a server that is not running.")] = None,
    url: Annotated[str | None, Parameter(help="A running server; its key is in ORBDO_API_KEY.")] = None,
) -> None:
    """Bring a file in as events. History comes in as a backfill: all of it counts at once, at the end, or none.

    Importing a file twice counts once. Rows that do not fit are listed with their line and what is wrong, the others go
    in, and the exit status is 3.
    """
    if (event_type is None) == (event_type_column is None):
        fail("give exactly one of --event-type and --event-type-column")
    if (customer is None) == (customer_id is None):
        fail("give exactly one of --customer and --customer-id")
    meaning = Columns(
        timestamp=timestamp,
        customer=customer,
        key=key,
        event_type=event_type_column,
        properties=None if properties is None else tuple(properties.split(",")),
    )
    constants = Constants(customer_id=customer_id, event_type=event_type, zone=timezone)
    with _one_sentence_a_failure(file):
        zone_info(timezone)
        source = Source(path=file, file_format=file_format or format_of(file), columns=meaning, constants=constants)
        _check_columns(source)
        outcome = anyio.run(_import, source, data, url)
    _report(outcome)


@contextmanager
def _one_sentence_a_failure(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        fail(f"{file.name}: {error.strerror or error}")
    except ConfigurationError as error:
        fail(f"{error}. If a server is running on this folder, name it with --url instead.")
    except (CoreError, UnreadableFileError, OrbError) as error:
        fail(str(error))


async def _import(source: Source, data: Path | None, url: str | None) -> Outcome:
    now, outcome = utc_now(), Outcome()
    with _progress() as progress:
        reading = progress.add_task("reading", total=None)
        found = survey(source.entries(), now)
        progress.update(reading, total=found.rows, completed=found.rows)
        sending = progress.add_task("importing", total=found.rows)
        async with _orb(data, url) as orb:
            shipment = Shipment(orb, now=now, outcome=outcome, advanced=partial(progress.advance, sending))
            await shipment.run(source.entries(), found.windows)
    return outcome


def _check_columns(source: Source) -> None:
    """A misspelt column is one message, not one for each row. JSON objects may differ, so that their rows tell."""
    if source.file_format != "jsonl":
        problem = mapping_problem(source.columns, columns_of(source.path, source.file_format))
        if problem is not None:
            fail(f"{source.path.name} {problem}")


def _orb(data: Path | None, url: str | None) -> Orb:
    if data is not None and url is not None:
        fail("give one of --data and --url, not both")
    return Orb.embedded(data or Path("orbdo-data")) if url is None else Orb(base_url=url)


def _progress() -> Progress:
    columns = (TextColumn("{task.description:>9}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=errors)


def _report(outcome: Outcome) -> None:
    output.print(f"{outcome.ingested} events are new, {outcome.duplicates} were there already.")
    if not outcome.bad:
        return
    errors.print(f"{len(outcome.bad)} rows are no events:")
    for bad in sorted(outcome.bad, key=lambda row: row.line)[:BAD_ROWS_SHOWN_MAX]:
        errors.print(f"  line {bad.line}: {bad.reason}", markup=False, soft_wrap=True)
    if len(outcome.bad) > BAD_ROWS_SHOWN_MAX:
        errors.print(f"  and {len(outcome.bad) - BAD_ROWS_SHOWN_MAX} more")
    sys.exit(SOME_ROWS_BAD)
