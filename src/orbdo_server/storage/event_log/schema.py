"""The tables of a log in DuckDB, and the version of their shape."""

FORMAT_VERSION = 2

FORMAT_TABLE = "CREATE TABLE IF NOT EXISTS log_format (version UINTEGER NOT NULL)"

# The one name that an event has for its customer, with a mark of its kind before it.
EXTERNAL, OURS = "e ", "i "
CUSTOMER = f"coalesce('{EXTERNAL}' || external_customer_id, '{OURS}' || customer_id)"

TABLES = (
    # Properties are kept as VARIANT, which DuckDB takes apart into a column for each name that is common. There is no
    # index and no primary key, which on random keys costs more than the insert: the key index sees to the keys.
    # A row that amends another one names the first row of its key. ``customer`` is the one name that an event has for
    # its customer, of either kind, since rows are passed over by the least and the greatest value of one column only.
    """
    CREATE TABLE IF NOT EXISTS stored_events (
        seq UBIGINT NOT NULL,
        tenant VARCHAR NOT NULL,
        idempotency_key VARCHAR NOT NULL,
        event_name VARCHAR NOT NULL,
        timestamp TIMESTAMP NOT NULL,
        external_customer_id VARCHAR,
        customer_id VARCHAR,
        customer VARCHAR,
        received_at TIMESTAMP NOT NULL,
        backfill_id VARCHAR,
        amends UBIGINT,
        properties VARIANT NOT NULL
    )
    """,
    # An action is kept as the JSON of its value: there are few, they are read all at once, and they gain fields.
    """
    CREATE TABLE IF NOT EXISTS actions (
        seq UBIGINT NOT NULL,
        tenant VARCHAR NOT NULL,
        action VARCHAR NOT NULL
    )
    """,
    # Events that came again and were not taken; ``seq`` is the position the log had then.
    """
    CREATE TABLE IF NOT EXISTS repeated_events (
        seq UBIGINT NOT NULL,
        tenant VARCHAR NOT NULL,
        idempotency_key VARCHAR NOT NULL,
        received_at TIMESTAMP NOT NULL,
        conflict BOOLEAN NOT NULL
    )
    """,
    # How far the journal was written into these tables, in one row: ``position`` is the last one that is here, the
    # others are the mark of the journal after the last record that is here as a whole.
    """
    CREATE TABLE IF NOT EXISTS applied (
        position UBIGINT NOT NULL,
        records UBIGINT NOT NULL,
        mark_position UBIGINT NOT NULL,
        digest VARCHAR NOT NULL
    )
    """,
)

# Which log it is, in one row that is written when the log is made: files of two logs are never taken for one.
IDENTITY_TABLE = "CREATE TABLE IF NOT EXISTS log_identity (id VARCHAR NOT NULL)"

# What a log of the first format, which had no journal, takes to become one of this.
UPGRADES = {
    1: (
        "ALTER TABLE stored_events ADD COLUMN amends UBIGINT",
        "ALTER TABLE stored_events ADD COLUMN customer VARCHAR",
        f"UPDATE stored_events SET customer = {CUSTOMER}",  # noqa: S608 - ours
        "ALTER TABLE backfill_actions RENAME TO actions",
        "UPDATE log_format SET version = 2",
    ),
}

# Positions leave no gap: each is that of an event or of an action, and an amendment is both.
POSITIONS = """
    SELECT count(*), count(*) FILTER (amends IS NOT NULL), coalesce(max(seq), 0),
        (SELECT count(*) FROM actions), (SELECT coalesce(max(seq), 0) FROM actions)
    FROM stored_events
"""

# Every column of every row is read, so that each block is held against its checksum.
READ_EVERYTHING = """
    SELECT bit_xor(hash(seq, tenant, idempotency_key, event_name, timestamp, external_customer_id, customer_id,
        customer, received_at, backfill_id, amends, properties)) FROM stored_events
"""

# Which entries may hold a key, in full. The cast to JSON, not to text, gives back exactly the names that came.
ROW = """seq, tenant, event_name, idempotency_key, timestamp, external_customer_id, customer_id, backfill_id,
    properties::JSON::VARCHAR, received_at, amends"""
ROWS_AT = f"SELECT {ROW} FROM stored_events WHERE seq IN (SELECT unnest($positions::UBIGINT[]))"  # noqa: S608 - ours
ROWS_OF_KEYS = f"""
    SELECT {ROW} FROM stored_events
    WHERE tenant = $tenant AND seq <= $as_of AND idempotency_key IN (SELECT unnest($keys::VARCHAR[]))
"""  # noqa: S608 - ours

INSERT_INCOMING = f"""
    INSERT INTO stored_events (seq, tenant, idempotency_key, event_name, timestamp, external_customer_id, customer_id,
        customer, received_at, backfill_id, amends, properties)
    SELECT seq, tenant, idempotency_key, event_name, timestamp, external_customer_id, customer_id,
        {CUSTOMER}, received_at, backfill_id, amends, properties::JSON::VARIANT
    FROM incoming
"""  # noqa: S608 - ours

# The keys that are held against new ones: those of the dedupe window, and of a backfill those of its timeframe.
KEYS_SINCE = """
    SELECT tenant, idempotency_key, seq, epoch_us(greatest(timestamp, received_at)) AS newest FROM stored_events
    WHERE greatest(timestamp, received_at) >= $since ORDER BY seq
"""
KEYS_OF_TIMEFRAME = """
    SELECT tenant, idempotency_key, seq, epoch_us(greatest(timestamp, received_at)) AS newest FROM stored_events
    WHERE tenant = $tenant AND timestamp >= $start AND timestamp < $end
    AND greatest(timestamp, received_at) < $since ORDER BY seq
"""

ALL_ACTIONS = "SELECT tenant, seq, action FROM actions ORDER BY seq"
REPEATS = """
    SELECT received_at, conflict FROM repeated_events
    WHERE tenant = $tenant AND idempotency_key = $key ORDER BY seq, received_at
"""

BACKFILL_COUNTS = """
    SELECT backfill_id, count(*) FROM stored_events
    WHERE tenant = $tenant AND seq <= $as_of AND backfill_id IS NOT NULL AND amends IS NULL GROUP BY backfill_id
"""
ALL_BACKFILL_COUNTS = """
    SELECT tenant, backfill_id, count(*) FROM stored_events
    WHERE backfill_id IS NOT NULL AND amends IS NULL GROUP BY tenant, backfill_id
"""
