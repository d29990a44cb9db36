-- The boot in which a silent device was heard again. Where that is the boot from before the update, what it said may have been late on its way:
-- the device is listened to until it is heard in another one.
alter table rollouts.deployment add column returned_boot text;

drop index rollouts.deployment_watched;
alter table rollouts.deployment drop column watched;
alter table rollouts.deployment add column watched boolean not null generated always as (
  state in ('offered', 'downloading', 'downloaded', 'verified', 'installing', 'rebooting', 'validating')
  or ((state in ('unresponsive', 'failed', 'rolled_back', 'cancelled') or (state = 'skipped' and coalesce(reason, '') = 'silent_after_offer'))
      and offered_at is not null and (returned_at is null or coalesce(returned_boot = boot_id, false)))) stored;
create index deployment_watched on rollouts.deployment (fleet, device) where watched;
