-- What a rollout compares updated devices with, and every judgement with what it was made from (docs/decisions/0026-two-sample-guards.md).

-- One exposed device with the devices, not yet offered the release, that it is compared with over the same time.
create table rollouts.matched_set (
  fleet text not null,
  rollout text not null,
  -- The deployment of the exposed device.
  deployment text not null,
  stage int not null,
  stratum text not null,
  until_at timestamptz not null,
  judged_at timestamptz,
  primary key (fleet, rollout, deployment)
);
create index matched_set_due on rollouts.matched_set (fleet, rollout, until_at) where judged_at is null;

-- A device of a set and what was seen of it. A device is in one set of a rollout at most.
create table rollouts.watched_device (
  fleet text not null,
  rollout text not null,
  device text not null,
  deployment text not null,
  exposed boolean not null,
  from_at timestamptz not null,
  settled_at timestamptz not null,
  until_at timestamptz not null,
  seen jsonb not null,
  closed boolean not null default false,
  primary key (fleet, rollout, device)
);
create index watched_device_open on rollouts.watched_device (fleet, device) where not closed;
create index watched_device_of_set on rollouts.watched_device (fleet, rollout, deployment);

-- How the exposed device of a set did by one guard. `value` is the larger the worse, and so are those of its controls.
create table rollouts.comparison (
  fleet text not null,
  rollout text not null,
  guard text not null,
  deployment text not null,
  at timestamptz not null,
  value float8 not null,
  control_values float8[] not null,
  worse int not null,
  equal int not null,
  primary key (fleet, rollout, guard, deployment)
);
create trigger comparison_is_append_only before update or delete on rollouts.comparison
  for each row execute function kernel.refuse_change();

-- What the engine saw whenever it decided anything, and what it decided: enough to decide again and compare.
create table rollouts.pass (
  fleet text not null,
  rollout text not null,
  seq bigint generated always as identity,
  at timestamptz not null,
  saw jsonb not null,
  steps jsonb not null,
  primary key (fleet, rollout, seq)
);
create trigger pass_is_append_only before update or delete on rollouts.pass
  for each row execute function kernel.refuse_change();

-- Why a deadline has been put off, while it is: devices around, which the release has not touched, are silent too.
alter table rollouts.deployment add column held_because text;
create index deployment_held on rollouts.deployment (fleet, rollout) where held_because is not null;
