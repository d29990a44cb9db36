-- Rollouts over large fleets (docs/decisions/0033-late-heartbeats.md, docs/measurements.md).

-- Boots of a device that were followed by another, newest last: what they say comes late. And the number of its newest heartbeat.
alter table registry.device add column past_boots jsonb, add column heartbeat_seq bigint;

-- An update of a row that changes no indexed column stays on its page and touches no index. The progress of a deployment (downloading, verified,
-- told again) is most of what is written; it changes `state`, which stood in the conditions of three indexes. Two columns that follow from it
-- and change twice in a deployment's life stand there now.
alter table rollouts.deployment add column waiting boolean not null generated always as (state = 'queued') stored;
alter table rollouts.deployment set (fillfactor = 75);

drop index rollouts.deployment_queued;
create index deployment_waiting on rollouts.deployment (fleet, rollout, rollback, stage, look_again_at, place) where waiting;
drop index rollouts.deployment_untold;
create index deployment_untold on rollouts.deployment (fleet, rollout, place) where in_flight;
-- A device has few deployments, and `deployment_of_device` finds them.
drop index rollouts.deployment_wanted;
