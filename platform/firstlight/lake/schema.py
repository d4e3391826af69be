"""The columns of the event table, in one place for those who write it and those who read it.

Times are naive UTC microseconds: Spark and DuckDB agree on them. Money is exact, and cast to float64 by who multiplies.
"""

import pyarrow as pa

ASSIGNMENT = pa.struct([("experiment", pa.string()), ("variant", pa.string()), ("phase", pa.int32())])
DISCOVERY = pa.struct(
    [
        ("position", pa.int32()),
        ("item_id", pa.string()),
        ("campaign", pa.string()),
        ("table", pa.int64()),
        ("row", pa.int32()),
        ("propensity", pa.float64()),
        ("source", pa.string()),
    ]
)

EVENTS = pa.schema(
    [
        pa.field("event_id", pa.string(), nullable=False),
        pa.field("type", pa.string(), nullable=False),  # visit, impression, …, and "decision": one allocation answer
        pa.field("at", pa.timestamp("us"), nullable=False),
        ("user_id", pa.string()),
        ("device_id", pa.string()),
        ("session_id", pa.string()),
        ("merchant_id", pa.string()),
        ("item_id", pa.string()),
        ("scenario", pa.string()),
        ("trace_id", pa.string()),
        ("position", pa.int32()),
        ("value", pa.decimal128(18, 4)),
        ("currency", pa.string()),
        ("order_id", pa.string()),
        ("recall_source", pa.string()),
        ("ranker", pa.string()),
        ("score", pa.float64()),
        ("propensity", pa.float64()),  # of this item in this position, where the sender knows it
        ("experiment", pa.string()),  # of an exposure
        ("variant", pa.string()),
        ("phase", pa.int32()),
        ("assignments", pa.list_(ASSIGNMENT)),  # of a decision
        ("discovery", pa.list_(DISCOVERY)),  # of a decision
        ("snapshot", pa.int64()),  # of a decision
        ("properties", pa.string()),  # a JSON object
        pa.field("day", pa.date32(), nullable=False),  # of `at`; the table is partitioned by it
        pa.field("batch", pa.int64(), nullable=False),  # number of the flush that brought it: the readers' watermark
    ]
)

UNITS = ("user_id", "device_id", "session_id", "merchant_id", "item_id")
