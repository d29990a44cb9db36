-- In which boot, and when last, a device behind DDI fetched what it installs. A device that is judged by heartbeats may start anew without its
-- client telling so: a boot that began after the fetch and runs the old version, when the client reports success, has fallen back.
alter table rollouts.ddi_action add column fetched_boot text, add column fetched_at timestamptz;

-- When an artifact's stored bytes were last read whole and found to be those of its name; since when it is known that they are not, and what was
-- found in their place. Uploading the same bytes again mends it.
alter table releases.artifact add column checked_at timestamptz, add column damaged_at timestamptz, add column damage text;
create index artifact_by_check on releases.artifact (checked_at nulls first);

alter table monitoring.rule drop constraint rule_kind_check;
alter table monitoring.rule add constraint rule_kind_check check (kind in ('device_silent', 'group_silent', 'rollout_halted', 'artifact_damaged'));
