-- Hours whose cells (point_minute, point_hour) do not count all points yet. Written before and after points are stored, and taken away only when
-- the cells were computed from all of them: a generation that has grown meanwhile stays due. An empty device means all devices.
create table telemetry.rollup_due (
  hour timestamptz not null,
  device text collate "C" not null,
  generation bigint not null default 1,
  primary key (hour, device)
);

-- Which metrics a device has sent: what its budget is counted by. First come, first kept.
create table telemetry.metric (
  fleet text not null,
  device text collate "C" not null,
  metric text collate "C" not null,
  first_at timestamptz not null,
  primary key (fleet, device, metric)
);

-- How long each class is kept, as an object from class to days; null is for ever. No row means the defaults.
create table telemetry.retention_policy (
  fleet text primary key,
  keep_days jsonb not null,
  changed_at timestamptz not null,
  changed_by jsonb not null
);

-- Nothing of these devices between these moments is deleted, in no class, until it is released.
create table telemetry.hold (
  id text primary key,
  fleet text not null,
  kind text not null check (kind in ('legal', 'incident')),
  reason text not null,
  devices text[] not null check (cardinality(devices) > 0),
  from_at timestamptz not null,
  until_at timestamptz not null check (until_at > from_at),
  created_at timestamptz not null,
  created_by jsonb not null,
  released_at timestamptz,
  released_by jsonb,
  release_reason text
);
create index hold_in_force on telemetry.hold (fleet) where released_at is null;

-- What was deleted: planned before the first row goes, finished when none of it is left.
create table telemetry.deletion (
  id text primary key,
  fleet text not null,
  class text not null,
  before timestamptz not null,
  reason text not null,
  actor jsonb not null,
  planned_at timestamptz not null,
  plan jsonb not null,
  finished_at timestamptz,
  sha256 text
);
create unique index deletion_under_way on telemetry.deletion (fleet, class) where finished_at is null;
create index deletion_newest on telemetry.deletion (fleet, planned_at desc);
