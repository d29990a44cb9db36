create schema rollouts;

create table rollouts.rollout (
  fleet text not null,
  id text not null,
  release text not null,
  release_name text not null,
  release_version text not null,
  release_sha256 text not null,
  plan jsonb not null,
  phase text not null check (phase in ('running', 'paused', 'halted', 'rolling_back', 'rolled_back', 'completed', 'cancelled')),
  because text not null,
  since timestamptz not null,
  targets int not null,
  -- The stage that is being worked on.
  stage int not null default 0,
  -- The stage from which an operator let it go on although nothing had been proven.
  waived_stage int,
  halted_at timestamptz,
  halted_because text,
  created_by text not null,
  created_at timestamptz not null,
  ended_at timestamptz,
  -- When the loop must look next: a deadline, the end of a soak, or now because something was heard.
  look_at timestamptz not null,
  idempotency_key text,
  primary key (fleet, id),
  unique (fleet, idempotency_key)
);

create index rollout_due on rollouts.rollout (look_at) where ended_at is null;

create table rollouts.stage (
  fleet text not null,
  rollout text not null,
  index int not null,
  share double precision not null,
  devices int not null,
  state text not null check (state in ('waiting', 'running', 'soaking', 'passed', 'halted')),
  started_at timestamptz,
  passed_at timestamptz,
  primary key (fleet, rollout, index),
  foreign key (fleet, rollout) references rollouts.rollout (fleet, id)
);

-- One release on one device. A rollback is a deployment of its own, beside the one that it undoes.
create table rollouts.deployment (
  fleet text not null,
  id text not null,
  rollout text not null,
  device text not null,
  rollback boolean not null,
  -- Which try to bring the device back this is; 1 for updates.
  attempt int not null default 1,
  stage int not null,
  -- The order in which the rollout takes its devices.
  place int not null,
  release text,
  version text not null,
  sha256 text not null,
  state text not null check (state in ('queued', 'offered', 'downloading', 'downloaded', 'verified', 'installing', 'rebooting', 'validating',
                                       'succeeded', 'failed', 'rolled_back', 'unresponsive', 'skipped', 'cancelled')),
  reason text,
  detail text,
  progress real,
  log text[] not null default '{}',
  online_at_offer boolean,
  -- The last boot that was seen before the update's own reboot.
  boot_id text,
  previous_version text,
  previous_hash text,
  previous_release text,
  offered_at timestamptz,
  accepted_at timestamptz,
  rebooting_at timestamptz,
  verified_at timestamptz,
  returned_at timestamptz,
  returned_with text check (returned_with in ('new', 'old')),
  deadline_at timestamptz,
  sent_at timestamptz,
  ended_at timestamptz,
  updated_at timestamptz not null,
  in_flight boolean not null generated always as (
    state in ('offered', 'downloading', 'downloaded', 'verified', 'installing', 'rebooting', 'validating')) stored,
  -- Whom a heartbeat may concern: devices in flight, and silent ones that may come back.
  watched boolean not null generated always as (
    state in ('offered', 'downloading', 'downloaded', 'verified', 'installing', 'rebooting', 'validating')
    or ((state = 'unresponsive' or (state = 'skipped' and reason = 'silent_after_offer')) and returned_at is null)) stored,
  primary key (fleet, id),
  -- No foreign key to the rollout: it would be looked up once for each of 100,000 rows, and rollouts are never deleted.
  unique (fleet, rollout, device, rollback, attempt)
);

-- A device installs one thing at a time, whatever the rollouts want.
create unique index deployment_one_in_flight on rollouts.deployment (fleet, device) where in_flight;
create index deployment_watched on rollouts.deployment (fleet, device) where watched;
create index deployment_tally on rollouts.deployment (fleet, rollout, rollback, stage, state);
create index deployment_queued on rollouts.deployment (fleet, rollout, rollback, stage, place) where state = 'queued';
create index deployment_deadline on rollouts.deployment (fleet, rollout, deadline_at) where in_flight;
create index deployment_of_device on rollouts.deployment (fleet, device, id);

-- What the engine and the operators decided, and the picture it was decided on. Never changed.
create table rollouts.decision (
  fleet text not null,
  rollout text not null,
  seq bigint generated always as identity,
  at timestamptz not null,
  decision text not null,
  because text not null,
  stage int,
  evidence jsonb,
  primary key (fleet, rollout, seq)
);

create trigger decision_is_append_only before update or delete on rollouts.decision
  for each row execute function kernel.refuse_change();
