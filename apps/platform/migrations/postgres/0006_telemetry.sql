create schema telemetry;

-- Adds two histograms: objects from bucket to count.
create function telemetry.add_buckets(a jsonb, b jsonb) returns jsonb language sql immutable parallel safe as $$
  select coalesce(jsonb_object_agg(bucket, n), '{}')
  from (select key as bucket, sum(value::bigint) as n from (select * from jsonb_each_text(a) union all select * from jsonb_each_text(b)) both_sides group by key) added
$$;

-- How late messages became visible, a histogram a minute (apps/platform/src/telemetry/sketch.ts). Minutes add up to any span, and a
-- percentile of a span is computed from the sum, never from percentiles.
create table telemetry.lag_minute (
  fleet text not null,
  minute timestamptz not null,
  n bigint not null,
  -- Visible minus happened, and visible minus received: our own part.
  lag jsonb not null,
  platform_lag jsonb not null,
  primary key (fleet, minute)
);

-- Messages that were acknowledged and cannot be applied. Nothing acknowledged is ever lost; these wait for a person.
create table telemetry.dead_letter (
  token text not null,
  consumer text not null,
  fleet text not null,
  device text collate "C" not null,
  channel text not null,
  topic_id text,
  transport text not null,
  received_at timestamptz not null,
  payload bytea not null,
  payload_sha256 text not null,
  because text not null,
  put_aside_at timestamptz not null,
  primary key (token, consumer, device, received_at, payload_sha256)
);
create index dead_letter_device on telemetry.dead_letter (fleet, device, put_aside_at);

-- Which messages of a device's boot were taken, as ranges of their sequence numbers: [[from, to], …]. A message that comes again is known by it.
create table telemetry.sequence (
  fleet text not null,
  device text collate "C" not null,
  boot text collate "C" not null,
  ranges jsonb not null,
  used_at timestamptz not null,
  primary key (fleet, device, boot)
);

-- The last batch of each journal that was sifted, and the places in it that came again: tried once more, it is sifted as before.
create table telemetry.sifted (
  journal text primary key,
  token text not null,
  repeated jsonb not null
);
