-- In which boot, and when last, a device behind DDI fetched what it installs. A device that is judged by heartbeats may start anew without its
-- client telling so: a boot that began after the fetch and runs the old version, when the client reports success, has fallen back.
alter table rollouts.ddi_action add column fetched_boot text, add column fetched_at timestamptz;
