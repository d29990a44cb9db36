-- What a device last said of its power and its network: an update may have to wait for better.
alter table registry.device
  add column power_source text,
  add column power_level double precision,
  add column net_bearer text,
  add column net_metered boolean;

-- Who may newly match a rollout's filter: looked up by what changed, not by going through the fleet.
create index device_updated on registry.device (fleet, updated_at);
create index device_firmware_since on registry.device (fleet, fw_since);

alter table rollouts.rollout
  add column author text not null default '',
  add column weight int not null default 100,
  add column approvals_needed int not null default 0,
  add column freeze_override text,
  -- Up to when late joiners have been looked for.
  add column joined_at timestamptz,
  drop constraint rollout_phase_check,
  add constraint rollout_phase_check check (phase in ('awaiting_approval', 'running', 'paused', 'halted', 'rolling_back', 'rolled_back', 'completed', 'cancelled'));

alter table rollouts.deployment
  add column stratum text not null default '',
  -- How much later than the stage begins it may be offered.
  add column delay_ms int not null default 0,
  -- It failed, and another row has taken its place.
  add column retried boolean not null default false,
  -- The loop passes over it until then.
  add column look_again_at timestamptz not null default 'epoch',
  -- Why it was not offered when the loop last looked.
  add column blocked text,
  add column blocked_because text,
  add column blocked_until timestamptz;

-- In the order in which the loop takes them. Whoever is blocked stands behind those that are not.
drop index rollouts.deployment_queued;
create index deployment_queued on rollouts.deployment (fleet, rollout, rollback, stage, look_again_at, place) where state = 'queued';
-- For the limit on offers a minute.
create index deployment_offered on rollouts.deployment (fleet, rollout, offered_at) where offered_at is not null;
create index deployment_untold on rollouts.deployment (fleet, rollout, place) where state in ('offered', 'downloading', 'downloaded', 'verified', 'installing', 'rebooting', 'validating');

-- How many deployments stand where, kept by the statements that move them, so that a look at a rollout costs the same for 100 devices and
-- for 100,000. Whoever moves a deployment holds the rollout's row.
create table rollouts.tally (
  fleet text not null,
  rollout text not null,
  rollback boolean not null,
  stage int not null,
  stratum text not null,
  state text not null,
  devices int not null,
  last_verified_at timestamptz,
  primary key (fleet, rollout, rollback, stage, stratum, state)
) with (fillfactor = 70);

create function rollouts.count_new() returns trigger language plpgsql as $$
begin
  insert into rollouts.tally as t (fleet, rollout, rollback, stage, stratum, state, devices, last_verified_at)
  select fleet, rollout, rollback, stage, stratum, state, count(*), max(verified_at) from new_rows where not retried group by 1, 2, 3, 4, 5, 6 order by 1, 2, 3, 4, 5, 6
  on conflict (fleet, rollout, rollback, stage, stratum, state) do update set devices = t.devices + excluded.devices,
    last_verified_at = greatest(t.last_verified_at, excluded.last_verified_at);
  return null;
end $$;

create function rollouts.count_moved() returns trigger language plpgsql as $$
begin
  insert into rollouts.tally as t (fleet, rollout, rollback, stage, stratum, state, devices, last_verified_at)
  select fleet, rollout, rollback, stage, stratum, state, sum(n), max(verified_at) from (
    select fleet, rollout, rollback, stage, stratum, state, 1 as n, verified_at from new_rows where not retried
    union all select fleet, rollout, rollback, stage, stratum, state, -1, null from old_rows where not retried) moved
  group by 1, 2, 3, 4, 5, 6 having sum(n) <> 0 order by 1, 2, 3, 4, 5, 6
  on conflict (fleet, rollout, rollback, stage, stratum, state) do update set devices = t.devices + excluded.devices,
    last_verified_at = greatest(t.last_verified_at, excluded.last_verified_at);
  return null;
end $$;

create trigger deployment_counted after insert on rollouts.deployment referencing new table as new_rows
  for each statement execute function rollouts.count_new();
create trigger deployment_counted_again after update on rollouts.deployment referencing old table as old_rows new table as new_rows
  for each statement execute function rollouts.count_moved();

insert into rollouts.tally (fleet, rollout, rollback, stage, stratum, state, devices, last_verified_at)
  select fleet, rollout, rollback, stage, stratum, state, count(*), max(verified_at) from rollouts.deployment group by 1, 2, 3, 4, 5, 6;

create table rollouts.approval (
  fleet text not null,
  rollout text not null,
  actor text not null,
  actor_name text not null,
  -- The plan that was approved, by its hash.
  plan_hash text not null,
  at timestamptz not null,
  comment text,
  primary key (fleet, rollout, actor, plan_hash)
);

create table rollouts.named_plan (
  fleet text not null,
  name text not null,
  note text not null,
  plan jsonb not null,
  updated_by text not null,
  updated_at timestamptz not null,
  primary key (fleet, name)
);

create table rollouts.policy (
  fleet text primary key,
  document jsonb not null,
  updated_by text not null,
  updated_at timestamptz not null
);

create table rollouts.freeze (
  fleet text not null,
  id text not null,
  from_at timestamptz not null,
  to_at timestamptz not null check (to_at > from_at),
  reason text not null,
  created_by text not null,
  created_at timestamptz not null,
  removed_at timestamptz,
  primary key (fleet, id)
);

-- Devices that stay on a version, or get no update at all.
create table rollouts.pin (
  fleet text not null,
  id text not null,
  filter text not null,
  version text,
  reason text not null,
  expires_at timestamptz,
  created_by text not null,
  created_at timestamptz not null,
  lifted_at timestamptz,
  lifted_by text,
  primary key (fleet, id)
);
