"""A log of the first format, as the release before this one wrote it: no journal, one DuckDB file."""

import subprocess
import sys
from pathlib import Path

SCRIPT = """
import os, sys, duckdb

connection = duckdb.connect(sys.argv[1])
for statement in '''
CREATE TABLE log_format (version UINTEGER NOT NULL);
INSERT INTO log_format VALUES (1);
CREATE TABLE stored_events (
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
);
CREATE TABLE backfill_actions (seq UBIGINT NOT NULL, tenant VARCHAR NOT NULL, action VARCHAR NOT NULL);
'''.split(';')[:-1]:
    connection.execute(statement)
connection.execute('CHECKPOINT')

def event(seq, key, units, backfill=None):
    connection.execute('''
        INSERT INTO stored_events VALUES ($seq, 'acme', $key, 'used', '2026-03-15', 'ada', NULL, '2026-03-31 12:00:00',
            $backfill, $properties::JSON::VARIANT)
    ''', {'seq': seq, 'key': key, 'backfill': backfill, 'properties': '{"units":%d}' % units})

def action(seq, text):
    connection.execute("INSERT INTO backfill_actions VALUES ($seq, 'acme', $text)", {'seq': seq, 'text': text})

event(1, 'a', 1)
event(2, 'b', 2)
january = '{"start":"2026-01-01T00:00:00Z","end":"2026-02-01T00:00:00Z"}'
action(3, '{"type":"created","backfill_id":"bf_1","at":"2026-03-31T12:00:00Z","timeframe":' + january
    + ',"customer":null,"replace_existing_events":true}')
event(4, 'c', 3, 'bf_1')
action(5, '{"type":"closed","backfill_id":"bf_1","at":"2026-03-31T12:00:00Z"}')
if sys.argv[2] == 'killed':
    os._exit(0)
connection.close()
"""


def write_first_format(path: Path, *, killed: bool) -> None:
    """Three events and a closed backfill over January; ``killed`` leaves the last of it in the write-ahead file."""
    subprocess.run([sys.executable, "-c", SCRIPT, str(path), "killed" if killed else "closed"], check=True, timeout=20)
