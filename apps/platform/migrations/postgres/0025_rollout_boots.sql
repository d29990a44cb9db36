-- Boots that a device was seen with before, or on the way of, an update: a heartbeat of one of them that arrives late proves nothing.
alter table rollouts.deployment add column boots text[] not null default '{}';

-- Whom a heartbeat may concern: devices in flight; silent ones that may come back; and those whose update ended otherwise after it was
-- offered, because they may come up with the release all the same.
drop index rollouts.deployment_watched;
alter table rollouts.deployment drop column watched;
alter table rollouts.deployment add column watched boolean not null generated always as (
  state in ('offered', 'downloading', 'downloaded', 'verified', 'installing', 'rebooting', 'validating')
  or ((state in ('unresponsive', 'failed', 'rolled_back', 'cancelled') or (state = 'skipped' and coalesce(reason, '') = 'silent_after_offer'))
      and offered_at is not null and returned_at is null)) stored;
create index deployment_watched on rollouts.deployment (fleet, device) where watched;

-- Heartbeats are numbered, and the numbers never go back (device.md D11). A device that was seen to keep to that over a reboot is held to it
-- in later updates: what is numbered below `seq_floor` was said before them, from whatever boot.
alter table rollouts.deployment
  add column seq bigint,
  add column numbered boolean not null default false,
  add column seq_floor bigint;

-- Who else wants a device, and what was offered to it before: asked for every device in the line.
create index deployment_wanted on rollouts.deployment (fleet, device) where state = 'queued';
create index deployment_offered_before on rollouts.deployment (fleet, device, offered_at) where offered_at is not null;
-- Counting goes by rollouts.tally now.
drop index rollouts.deployment_tally;
