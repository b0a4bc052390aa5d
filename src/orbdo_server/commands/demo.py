"""``orbdo demo``: a real trace becomes three invoices, and a limit is crossed on the way, in under a minute."""

import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import anyio
from cyclopts import Parameter

from orbdo_sdk import Orb, OrbError
from orbdo_server.commands.console import fail, output
from orbdo_server.commands.demonstration.server import RunningServer, ServerDidNotStartError, running_server
from orbdo_server.commands.demonstration.story import Demonstration, WrongResultError
from orbdo_server.commands.demonstration.trace import Trace, UnusableTraceError, load_trace, synthetic_trace
from orbdo_server.commands.importing.rows import UnreadableFileError

REAL_TRACE = Path("../shared/data/azure_llm_inference_code_2023.csv")
SECONDS_MAX = 55
NEXT = """
Where to look next:
  orbdo serve                 the same server, on a data folder that stays
  README.md                   the twenty lines of SDK that did this
  docs/design.md              why a late event is never a repair
"""


def demo(
    *,
    data: Annotated[Path | None, Parameter(help="A trace: TIMESTAMP, ContextTokens, GeneratedTokens.")] = None,
    output_folder: Annotated[Path, Parameter(name="--output", help="Where the PDF goes.")] = Path("orbdo-demo"),
) -> None:
    """Show the whole way from an event to an invoice. Exits with 1 if a total is not what it must be."""
    started = time.monotonic()
    try:
        trace = _trace(data)
        with TemporaryDirectory(prefix="orbdo-demo-") as folder, running_server(Path(folder)) as server:
            anyio.run(_tell, server, trace, output_folder)
    except TimeoutError:
        fail(f"the demo took longer than {SECONDS_MAX} seconds")
    except (OrbError, ServerDidNotStartError, UnreadableFileError, UnusableTraceError, WrongResultError) as error:
        fail(str(error))
    output.print(f"\nAll totals are what they must be, after {time.monotonic() - started:.1f} seconds.\n{NEXT}")


async def _tell(server: RunningServer, trace: Trace, pdf_folder: Path) -> None:
    with anyio.fail_after(SECONDS_MAX):
        async with Orb(base_url=server.url, api_key=server.api_key, spool_mode="memory") as orb:
            await Demonstration(orb, trace, console=output, pdf_folder=pdf_folder).tell()


def _trace(path: Path | None) -> Trace:
    if path is not None:
        return load_trace(path)
    return load_trace(REAL_TRACE) if REAL_TRACE.exists() else synthetic_trace()
