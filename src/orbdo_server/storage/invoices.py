"""Invoices as they are kept, and the counter their numbers come from.

The columns of a sealed invoice are written once, by ``replace`` at the moment it is issued; what decides that is above.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, func, select
from sqlalchemy import insert as insert_into
from sqlalchemy import update as update_table
from sqlalchemy.dialects import postgresql, sqlite

from orbdo_server.core.invoice_states import Invoice, InvoiceStatus, Payment
from orbdo_server.core.periods import Period
from orbdo_server.storage.pages import page_of
from orbdo_server.storage.tables import invoice_numbers, invoices


def insert(connection: Connection, invoice: Invoice) -> None:
    """Add an invoice."""
    connection.execute(insert_into(invoices).values(**_row(invoice)))


def get(connection: Connection, *, tenant: str, invoice_id: str) -> Invoice | None:
    """An invoice of the tenant."""
    statement = select(invoices).where(invoices.c.tenant == tenant, invoices.c.id == invoice_id)
    row = connection.execute(statement).mappings().one_or_none()
    return None if row is None else _invoice(row)


def find_draft(
    connection: Connection, *, tenant: str, subscription_id: str, period_start: datetime, reason: str
) -> Invoice | None:
    """The draft for the period of a subscription that starts then."""
    statement = select(invoices).where(
        *_of_period(tenant, subscription_id, period_start, reason), invoices.c.status == InvoiceStatus.DRAFT.value
    )
    row = connection.execute(statement).mappings().one_or_none()
    return None if row is None else _invoice(row)


def last_generation(
    connection: Connection, *, tenant: str, subscription_id: str, period_start: datetime, reason: str
) -> int:
    """The highest generation among the invoices for a period, 0 when there is none."""
    where = _of_period(tenant, subscription_id, period_start, reason)
    highest = connection.execute(select(func.max(invoices.c.generation)).where(*where)).scalar_one()
    return int(highest or 0)


def periods(
    connection: Connection, *, tenant: str, subscription_id: str, statuses: Collection[InvoiceStatus]
) -> list[Period]:
    """The periods of a subscription's invoices in these statuses, in order of time."""
    table = invoices
    statement = (
        select(table.c.period_start, table.c.period_end)
        .where(
            table.c.tenant == tenant,
            table.c.subscription_id == subscription_id,
            table.c.status.in_([status.value for status in statuses]),
        )
        .order_by(table.c.period_start)
    )
    return [Period(start, end) for start, end in connection.execute(statement)]


def sealed_until(connection: Connection, *, tenant: str, subscription_id: str) -> datetime | None:
    """The latest end of a period that an issued or paid invoice is for; None when there is none."""
    sealed = periods(
        connection,
        tenant=tenant,
        subscription_id=subscription_id,
        statuses=(InvoiceStatus.ISSUED, InvoiceStatus.PAID),
    )
    return max((period.end for period in sealed), default=None)


def page(
    connection: Connection,
    *,
    tenant: str,
    statuses: Collection[InvoiceStatus],
    customer_id: str | None = None,
    subscription_id: str | None = None,
    meeting: Period | None = None,
    after: tuple[datetime, str] | None,
    limit: int,
) -> tuple[list[Invoice], bool]:
    """Invoices in these statuses, of one customer or subscription where it is named, newest first, and whether more.

    With ``meeting`` only those whose period has an instant of that one.
    """
    statement = select(invoices).where(
        invoices.c.tenant == tenant, invoices.c.status.in_([status.value for status in statuses])
    )
    if customer_id is not None:
        statement = statement.where(invoices.c.customer_id == customer_id)
    if subscription_id is not None:
        statement = statement.where(invoices.c.subscription_id == subscription_id)
    if meeting is not None:
        statement = statement.where(invoices.c.period_start < meeting.end, invoices.c.period_end > meeting.start)
    rows, more = page_of(connection, statement, invoices, after=after, limit=limit)
    return [_invoice(row._mapping) for row in rows], more


def ids(connection: Connection, *, tenant: str, statuses: Collection[InvoiceStatus]) -> list[str]:
    """The ids of the tenant's invoices in these statuses, in the order they were made."""
    statement = (
        select(invoices.c.id)
        .where(invoices.c.tenant == tenant, invoices.c.status.in_([status.value for status in statuses]))
        .order_by(invoices.c.created_at, invoices.c.id)
    )
    return list(connection.execute(statement).scalars())


def replace(connection: Connection, invoice: Invoice, *, expected: InvoiceStatus) -> bool:
    """Keep a changed invoice; False, and nothing is kept, when its status is not the expected one any more."""
    changed = connection.execute(
        update_table(invoices)
        .where(invoices.c.tenant == invoice.tenant, invoices.c.id == invoice.id, invoices.c.status == expected.value)
        .values(**_row(invoice))
    )
    return changed.rowcount == 1


def take_number(connection: Connection, *, tenant: str) -> int:
    """The tenant's next number, counted from 1; without gaps, as it is given back when the transaction is undone."""
    insert_or = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    statement = (
        insert_or(invoice_numbers)
        .values(tenant=tenant, last_number=1)
        .on_conflict_do_update(
            index_elements=[invoice_numbers.c.tenant], set_={"last_number": invoice_numbers.c.last_number + 1}
        )
        .returning(invoice_numbers.c.last_number)
    )
    return int(connection.execute(statement).scalar_one())


def skip_numbers(connection: Connection, *, tenant: str, last_number: int) -> bool:
    """Have the tenant's next number follow this one; False, and nothing is changed, when it is beyond it already."""
    insert_or = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    statement = insert_or(invoice_numbers).values(tenant=tenant, last_number=last_number)
    changed = connection.execute(
        statement.on_conflict_do_update(
            index_elements=[invoice_numbers.c.tenant],
            set_={"last_number": last_number},
            where=invoice_numbers.c.last_number <= last_number,
        )
    )
    return changed.rowcount == 1


def _of_period(tenant: str, subscription_id: str, period_start: datetime, reason: str) -> tuple[Any, ...]:
    return (
        invoices.c.tenant == tenant,
        invoices.c.subscription_id == subscription_id,
        invoices.c.period_start == period_start,
        invoices.c.reason == reason,
    )


def _row(invoice: Invoice) -> dict[str, Any]:
    row = msgspec.structs.asdict(invoice)
    period, seal, payment = row.pop("period"), row.pop("seal"), row.pop("payment")
    return row | {
        "status": invoice.status.value,
        "period_start": period.start,
        "period_end": period.end,
        "sealed": seal,
        "payment": None if payment is None else msgspec.to_builtins(payment),
    }


def _invoice(row: Mapping[Any, Any]) -> Invoice:
    named = {"status", "period", "seal", "payment"}
    fields = {name: row[name] for name in Invoice.__struct_fields__ if name not in named}
    return Invoice(
        period=Period(row["period_start"], row["period_end"]),
        status=InvoiceStatus(row["status"]),
        seal=row["sealed"],
        payment=None if row["payment"] is None else msgspec.convert(row["payment"], type=Payment),
        **fields,
    )
