"""The tables of a log in DuckDB, and the version of their shape."""

FORMAT_VERSION = 1

FORMAT_TABLE = "CREATE TABLE IF NOT EXISTS log_format (version UINTEGER NOT NULL)"

TABLES = (
    # Properties are kept as VARIANT, which DuckDB takes apart into a column for each name that is common. There is no
    # index and no primary key, which on random keys costs more than the insert: the key index sees to the keys.
    """
    CREATE TABLE IF NOT EXISTS stored_events (
        seq UBIGINT NOT NULL,
        tenant VARCHAR NOT NULL,
        idempotency_key VARCHAR NOT NULL,
        event_name VARCHAR NOT NULL,
        timestamp TIMESTAMP NOT NULL,
        external_customer_id VARCHAR,
        customer_id VARCHAR,
        received_at TIMESTAMP NOT NULL,
        backfill_id VARCHAR,
        properties VARIANT NOT NULL
    )
    """,
    # An action is kept as the JSON of its value: there are few, they are read all at once, and they gain fields.
    """
    CREATE TABLE IF NOT EXISTS backfill_actions (
        seq UBIGINT NOT NULL,
        tenant VARCHAR NOT NULL,
        action VARCHAR NOT NULL
    )
    """,
)

LAST_POSITION = """
    SELECT greatest(
        (SELECT coalesce(max(seq), 0) FROM stored_events),
        (SELECT coalesce(max(seq), 0) FROM backfill_actions)
    )::UBIGINT
"""

# Which entries may hold a key, in full. The cast to JSON, not to text, gives back exactly the names that came.
ENTRIES_AT = """
    SELECT tenant, event_name, idempotency_key, timestamp, external_customer_id, customer_id, backfill_id,
        properties::JSON::VARCHAR
    FROM stored_events WHERE seq IN (SELECT unnest($positions::UBIGINT[]))
"""

INSERT_INCOMING = """
    INSERT INTO stored_events
    SELECT seq, tenant, idempotency_key, event_name, timestamp, external_customer_id, customer_id, received_at,
        backfill_id, properties::JSON::VARIANT
    FROM incoming
"""

BACKFILL_COUNTS = """
    SELECT backfill_id, count(*) FROM stored_events
    WHERE tenant = $tenant AND seq <= $as_of AND backfill_id IS NOT NULL GROUP BY backfill_id
"""

BACKFILL_COUNTS_AFTER = """
    SELECT tenant, backfill_id, count(*) FROM stored_events
    WHERE seq > $position AND backfill_id IS NOT NULL GROUP BY tenant, backfill_id
"""
