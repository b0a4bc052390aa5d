"""``orbdo verify``: sealed invoices are computed again from the raw log and compared, on an install that is stopped."""

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.progress import track

from orbdo_server.app import open_stores
from orbdo_server.commands.console import errors, fail, output
from orbdo_server.engine.audit import first_broken_entry
from orbdo_server.engine.stores import Stores
from orbdo_server.engine.transaction import Transaction
from orbdo_server.engine.verification import Verification, sealed_invoice_ids, verify_invoice
from orbdo_server.errors import ServerError, StartError
from orbdo_server.identifiers import new_id, utc_now
from orbdo_server.settings import Settings
from orbdo_server.storage import audit_entries, tenants

DIFFERENT = 1


def verify(
    invoice_id: Annotated[str | None, Parameter(help="One invoice; else all that were ever issued.")] = None,
    *,
    data: Annotated[Path | None, Parameter(help="The data folder of a server that is not running.")] = None,
) -> None:
    """Compute sealed invoices again and compare. Exits with 1 and names the first line that differs, if any does."""
    try:
        stores = open_stores(Settings.load(data=data))
    except (StartError, ServerError) as error:
        fail(str(error))
    try:
        results = _verify_all(stores, invoice_id)
        broken = _first_broken_change(stores)
    finally:
        stores.close()
    if invoice_id is not None and not results:
        fail(f"there is no issued invoice {invoice_id}")
    wrong = [result for result in results if result.problem is not None]
    output.print(f"{len(results) - len(wrong)} of {len(results)} sealed invoices are as they were.")
    for result in wrong:
        errors.print(f"{result.number} ({result.invoice_id}): {result.problem}", markup=False, soft_wrap=True)
    if broken is not None:
        errors.print(f"The audit trail is broken: {broken}", markup=False, soft_wrap=True)
    if wrong or broken is not None:
        sys.exit(DIFFERENT)


def _verify_all(stores: Stores, invoice_id: str | None) -> list[Verification]:
    results: list[Verification] = []
    with stores.database.read() as connection:
        for tenant in tenants.all_ids(connection):
            transaction = Transaction(connection=connection, tenant=tenant, now=utc_now(), new_id=new_id)
            wanted = [known for known in sealed_invoice_ids(transaction) if invoice_id in {None, known}]
            shown = track(wanted, description="verifying", console=errors, transient=True)
            results += [verify_invoice(transaction, stores.log, invoice_id=known) for known in shown]
    return results


def _first_broken_change(stores: Stores) -> str | None:
    with stores.database.read() as connection:
        entry = first_broken_entry(audit_entries.read_all(connection))
    return None if entry is None else f"entry {entry.sequence}, {entry.action} at {entry.at.isoformat()}"
