"""Metrics: SQL over events, read into a checked tree and compiled for a database.

A text never reaches a database. It is read into a tree that has no way to say anything but arithmetic on one event's
properties and the aggregates around it, and what a database runs is written anew from that tree. Every number is a
DECIMAL(38,12): sums and differences are exact, products and quotients are rounded half away from zero at 12 decimals.
"""

from orbdo_server.core.metrics.duckdb import duckdb_condition, duckdb_select
from orbdo_server.core.metrics.errors import InvalidGroupError, InvalidMetricError, Position
from orbdo_server.core.metrics.metric import Metric, parse_condition, parse_metric

__all__ = [
    "InvalidGroupError",
    "InvalidMetricError",
    "Metric",
    "Position",
    "duckdb_condition",
    "duckdb_select",
    "parse_condition",
    "parse_metric",
]
