-- Numbers of a minute and of an hour, so that a chart of a year reads thousands of rows and not millions, and so that they outlive the points.
-- A cell is computed from all points of its time, again whenever one came late: of two versions the one that counts more points stays. So it may be
-- computed twice, late or after a crash (docs/operate/telemetry-store.md). No materialized view: it costs three times the insert.
-- `low` and `high` keep the moment of the extreme, so that a thinned chart shows the same peak at the same time from any of the three.

CREATE TABLE IF NOT EXISTS tenfold.point_minute (
  fleet LowCardinality(String),
  metric LowCardinality(String),
  device LowCardinality(String),
  ts DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
  n UInt64 CODEC(T64, ZSTD(1)),
  total Float64 CODEC(ZSTD(1)),
  low Tuple(v Float64, at DateTime64(3, 'UTC')) CODEC(ZSTD(1)),
  high Tuple(v Float64, at DateTime64(3, 'UTC')) CODEC(ZSTD(1)),
  -- Of two points at one millisecond the larger one.
  last Tuple(at DateTime64(3, 'UTC'), v Float64) CODEC(ZSTD(1)),
  unit LowCardinality(String)
) ENGINE = ReplacingMergeTree(n)
PARTITION BY toYYYYMM(ts)
ORDER BY (fleet, metric, device, ts)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1;

CREATE TABLE IF NOT EXISTS tenfold.point_hour AS tenfold.point_minute;

-- What was stored before there were cells. From here on the platform notes which hours are due.
INSERT INTO tenfold.point_minute (fleet, metric, device, ts, n, total, low, high, last, unit)
SELECT fleet, metric, device, toDateTime64(toStartOfMinute(p.ts), 3, 'UTC') AS cell, count(), sum(p.value),
  min((p.value, p.ts)), max((p.value, p.ts)), max((p.ts, p.value)), max(p.unit)
FROM tenfold.point AS p WHERE NOT isNaN(p.value)
GROUP BY fleet, metric, device, cell SETTINGS optimize_aggregation_in_order = 1;

INSERT INTO tenfold.point_hour (fleet, metric, device, ts, n, total, low, high, last, unit)
SELECT fleet, metric, device, toDateTime64(toStartOfHour(m.ts), 3, 'UTC') AS cell, sum(m.n), sum(m.total),
  min(m.low), max(m.high), max(m.last), max(m.unit)
FROM tenfold.point_minute AS m FINAL
GROUP BY fleet, metric, device, cell SETTINGS optimize_aggregation_in_order = 1;
