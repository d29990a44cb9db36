-- Devices may download ahead of their window. `ahead`: offered so; `awaits_window`: takes no place, because it waits for its window;
-- `go_at`, `go_until`: when it was let install, and when its window closes.
alter table rollouts.deployment
  add column ahead boolean not null default false,
  add column awaits_window boolean not null default false,
  add column go_at timestamptz,
  add column go_until timestamptz;
create index deployment_ahead on rollouts.deployment (fleet, rollout, look_again_at, place) where in_flight and ahead;
create index deployment_awaits_window on rollouts.deployment (fleet, rollout) where in_flight and awaits_window;
create index deployment_let on rollouts.deployment (fleet, rollout, go_at) where go_at is not null;
