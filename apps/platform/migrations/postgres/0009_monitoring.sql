create schema monitoring;

create table monitoring.rule (
  fleet text not null,
  id text not null,
  kind text not null check (kind in ('device_silent', 'group_silent', 'rollout_halted')),
  name text not null,
  enabled boolean not null default true,
  severity text not null check (severity in ('info', 'ticket', 'page')),
  filter text,
  share float8 check (share between 0 and 1),
  hold_ms bigint not null check (hold_ms >= 0),
  primary key (fleet, id)
);

create table monitoring.alert (
  id text collate "C" primary key,
  fleet text not null,
  rule text not null,
  kind text not null,
  severity text not null,
  state text not null check (state in ('firing', 'resolved')),
  subject_kind text not null,
  subject_id text not null,
  title text not null,
  why text not null,
  compared_with text not null,
  next text not null,
  since timestamptz not null,
  opened_at timestamptz not null,
  devices text[] not null default '{}',
  -- When the condition was last found gone; it must stay gone for a while before the alert is resolved.
  clear_since timestamptz,
  acknowledged_by text,
  acknowledged_at timestamptz,
  resolved_at timestamptz,
  -- The alert about the whole group that took this one in.
  absorbed_by text collate "C" references monitoring.alert (id)
);
-- One alert at a time for one thing, however many servers judge.
create unique index alert_open on monitoring.alert (fleet, rule, subject_kind, subject_id) where state = 'firing';
create index alert_page on monitoring.alert (fleet, state, id desc);
create index alert_devices on monitoring.alert using gin (devices);

-- When a platform server was at work: it extends its row every few seconds, and begins a new one after it could not.
create table monitoring.platform_alive (
  id bigint generated always as identity primary key,
  server text not null,
  alive_from timestamptz not null,
  alive_until timestamptz not null
);
create index platform_alive_until on monitoring.platform_alive (alive_until);

-- Published: when no server was at work, from the first start on. What happened then is not the devices' fault.
create view monitoring.platform_impaired as
  select unnest(tstzmultirange(tstzrange(min(alive_from), max(alive_until))) - range_agg(tstzrange(alive_from, alive_until))) as during
  from monitoring.platform_alive having count(*) > 0;
