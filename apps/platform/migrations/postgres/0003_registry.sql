create schema registry;

-- A device is one row: what it is, and what was last heard of it. Whether it is online is derived from the contact columns when somebody
-- asks (docs/decisions/0008). Every contact updates the row, so no index may stand on the columns that a contact changes: only then are
-- updates heap-only and cheap.
create table registry.device (
  id text collate "C" primary key,
  fleet text not null,
  lifecycle text not null check (lifecycle in ('expected', 'pending', 'active', 'suspended', 'quarantined', 'retired')),
  model text,
  tags jsonb not null default '{}',
  trust_level smallint not null default 0 check (trust_level between 0 and 4),
  created_at timestamptz not null,
  updated_at timestamptz not null,
  -- Contact: the newest one, the lease of the newest heartbeat, and the stretch of uninterrupted leases that goes on now.
  first_contact_at timestamptz,
  last_contact_at timestamptz,
  lease_ms bigint,
  reach_from timestamptz,
  reach_until timestamptz,
  -- The newest heartbeat.
  heartbeat_at timestamptz,
  boot_id text,
  uptime_s float8,
  fw_version text,
  -- Byte order of this key is the order of versions (packages/query/src/version.ts).
  fw_key text collate "C",
  fw_hash text,
  fw_slot text,
  fw_state text,
  fw_since timestamptz,
  -- What it reports about itself (JSON merge patches), and when it last did.
  reported jsonb not null default '{}',
  reported_at timestamptz,
  refused_count bigint not null default 0,
  refused_at timestamptz,
  refused_reason text
) with (fillfactor = 70);
create index device_page on registry.device (fleet, id);
create index device_tags on registry.device using gin (tags jsonb_path_ops) with (fastupdate = off);

create table registry.lifecycle_change (
  seq bigint generated always as identity primary key,
  fleet text not null,
  device text collate "C" not null references registry.device (id),
  at timestamptz not null,
  was text,
  lifecycle text not null,
  reason text,
  actor text
);
create index lifecycle_change_device on registry.lifecycle_change (device, at, seq);

create table registry.firmware_change (
  fleet text not null,
  device text collate "C" not null references registry.device (id),
  at timestamptz not null,
  was_version text,
  version text not null,
  hash text,
  boot_id text,
  primary key (device, at)
);

-- Stretches of contact that ended: the device was silent from reach_until to the next reach_from.
create table registry.contact_span (
  fleet text not null,
  device text collate "C" not null references registry.device (id),
  reach_from timestamptz not null,
  reach_until timestamptz not null check (reach_until > reach_from),
  primary key (device, reach_from)
);
-- As the view reachable_time writes it, so that a question about a period reads only that period.
create index contact_span_during on registry.contact_span using gist (tstzrange(reach_from, reach_until));

create table registry.device_group (
  id text primary key,
  fleet text not null,
  name text not null,
  -- A dynamic group has a filter; a static one has members.
  filter text,
  created_at timestamptz not null,
  unique (fleet, name)
);

create table registry.group_member (
  group_id text not null references registry.device_group (id) on delete cascade,
  device text collate "C" not null references registry.device (id),
  primary key (group_id, device)
);
create index group_member_device on registry.group_member (device);

-- Published: when each device could be reached, one row a stretch; the newest stretch may reach into the future.
create view registry.reachable_time as
  select fleet, device, tstzrange(reach_from, reach_until) as during from registry.contact_span
  union all
  select fleet, id, tstzrange(reach_from, reach_until) from registry.device where reach_from is not null;

-- Published: when each device was expected to be reachable: active, and heard at least once before. An open end is still going on.
-- Devices tagged kpi=exclude (test rigs, simulators beside real devices) are there and marked, so that they can be counted apart.
create view registry.expected_time as
  select fleet, device, tstzrange(greatest(began, first_contact_at), ended) as during, excluded
  from (
    select c.fleet, c.device, c.lifecycle, c.at as began, lead(c.at) over (partition by c.fleet, c.device order by c.seq) as ended,
      d.first_contact_at, d.tags @> '{"kpi": "exclude"}' as excluded
    from registry.lifecycle_change c join registry.device d on d.id = c.device
  ) stretch
  where lifecycle = 'active' and first_contact_at is not null and (ended is null or ended > greatest(began, first_contact_at));
