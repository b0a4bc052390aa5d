"""The ``orbdo`` command. Each command lives in a module of its own that is imported only when it runs."""

import sys

from orbdo_server import __version__

MISSING_SERVER = 'This command needs the server: pip install "orbdo[server]"'
COMMANDS = {
    "serve": "Run the server on a data folder.",
    "demo": "Turn a real trace into an invoice, in under a minute.",
    "import": "Bring a CSV, JSON lines or Parquet file in as events.",
    "verify": "Compute sealed invoices again and compare.",
    "keys": "Make, list and revoke API keys.",
    "backup": "Make one file from which the server can be made again, while it runs.",
    "restore": "Make a data folder of a backup, and release it when all is well.",
    "recover": "Say what a damaged event log has and lacks, and go on with what is left.",
}
MODULES = {"import": "import_events"}


def main() -> None:
    """Run the command named on the command line; exits with its status."""
    try:
        from cyclopts import App  # noqa: PLC0415 - the base install has no server and says so below
    except ImportError:
        sys.exit(MISSING_SERVER)
    app = App(
        name="orbdo",
        version=__version__,
        help="Usage-based billing in one process: meter, price, invoice, and decide what a customer may do.",
    )
    for name, summary in COMMANDS.items():
        module = MODULES.get(name, name)
        app.command(f"orbdo_server.commands.{module}:{module}", name=name, help=summary)
    app(sys.argv[1:])
