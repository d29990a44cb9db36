-- A device that was given up and was heard again with the old release may still have been on its way into the new one: it is listened to until it has
-- come up with that, so that it can be led back where the release was taken back.
drop index rollouts.deployment_watched;
alter table rollouts.deployment drop column watched;
alter table rollouts.deployment add column watched boolean not null generated always as (
  state in ('offered', 'downloading', 'downloaded', 'verified', 'installing', 'rebooting', 'validating')
  or ((state in ('unresponsive', 'failed', 'rolled_back', 'cancelled') or (state = 'skipped' and coalesce(reason, '') = 'silent_after_offer'))
      and offered_at is not null and coalesce(returned_with, '') <> 'new')) stored;
create index deployment_watched on rollouts.deployment (fleet, device) where watched;
