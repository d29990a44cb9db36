-- The three fsync settings make an insert survive a power cut, the window makes a repeated token store nothing (docs/operate/telemetry-store.md).

CREATE TABLE IF NOT EXISTS tenfold.point (
  fleet LowCardinality(String),
  metric LowCardinality(String),
  device LowCardinality(String),
  ts DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
  -- NaN where the point is a text.
  value Float64 CODEC(ZSTD(1)),
  text String CODEC(ZSTD(1)),
  unit LowCardinality(String),
  time_source Enum8('device' = 0, 'received' = 1) CODEC(ZSTD(1)),
  -- Received at, as milliseconds after ts: small numbers, which cost next to nothing.
  delay_ms Int64 CODEC(T64, ZSTD(1))
) ENGINE = MergeTree
PARTITION BY toYYYYMM(ts)
ORDER BY (fleet, metric, device, ts)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;

CREATE TABLE IF NOT EXISTS tenfold.device_event (
  fleet LowCardinality(String),
  device LowCardinality(String),
  ts DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
  type LowCardinality(String),
  severity LowCardinality(String),
  -- A JSON object.
  detail String CODEC(ZSTD(1)),
  time_source Enum8('device' = 0, 'received' = 1) CODEC(ZSTD(1)),
  delay_ms Int64 CODEC(T64, ZSTD(1))
) ENGINE = MergeTree
PARTITION BY toYYYYMM(ts)
ORDER BY (fleet, device, ts)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;

CREATE TABLE IF NOT EXISTS tenfold.device_log (
  fleet LowCardinality(String),
  device LowCardinality(String),
  ts DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
  -- Lines of one millisecond keep the order in which they were sent.
  received_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
  place UInt32 CODEC(T64, ZSTD(1)),
  level LowCardinality(String),
  text String CODEC(ZSTD(1))
) ENGINE = MergeTree
PARTITION BY toYYYYMM(ts)
ORDER BY (fleet, device, ts, received_at, place)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;
