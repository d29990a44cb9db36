-- hawkBit DDI (docs/protocol/ddi.md): devices that poll over HTTPS and know a deployment by a number.

-- [DDI 4.1] One row of numbers for all fleets; clients read them as a signed int32.
create sequence rollouts.ddi_action_number as int start 1000001;

-- One deployment, as its device knows it.
create table rollouts.ddi_action (
  fleet text not null,
  device text not null,
  action int primary key,
  deployment text not null,
  opened_at timestamptz not null,
  -- When the device first read what to do; before that it knows nothing that could be cancelled.
  read_at timestamptz,
  -- How often the client had begun anew when it last asked for bytes.
  fetched_start int,
  -- When the device closed it, and with what.
  closed_at timestamptz,
  closed_as text check (closed_as in ('installed', 'failed', 'cancelled', 'runs')),
  -- The device said that it cannot be stopped any more.
  cancel_refused_at timestamptz,
  statuses int not null default 0,
  messages text[] not null default '{}',
  unique (fleet, deployment)
);
create index ddi_action_of_device on rollouts.ddi_action (fleet, device, action desc);

-- What a device told of itself by configData.
create table rollouts.ddi_device (
  fleet text not null,
  device text not null,
  attributes jsonb not null default '{}',
  told_at timestamptz,
  -- When it was first asked since it last told.
  asked_at timestamptz,
  -- How often the client was seen to begin anew, and what it told when it last did.
  starts int not null default 0,
  boot_id text,
  version text,
  primary key (fleet, device)
);

-- What clients check beside SHA-256, and what kind of file it is. A property of the bytes, whatever the fleet.
create table rollouts.ddi_digest (
  sha256 text primary key,
  sha1 text not null,
  md5 text not null,
  suffix text not null
);

-- A deployment that ended as skipped without a reason was neither watched nor not watched, and could not be stored.
drop index rollouts.deployment_watched;
alter table rollouts.deployment drop column watched;
-- Whom a heartbeat may concern: devices in flight, and silent ones that may come back.
alter table rollouts.deployment add column watched boolean not null generated always as (
  state in ('offered', 'downloading', 'downloaded', 'verified', 'installing', 'rebooting', 'validating')
  or ((state = 'unresponsive' or (state = 'skipped' and coalesce(reason, '') = 'silent_after_offer')) and returned_at is null)) stored;
create index deployment_watched on rollouts.deployment (fleet, device) where watched;
