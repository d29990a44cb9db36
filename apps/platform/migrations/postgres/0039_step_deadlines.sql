-- Steps of an update have deadlines of their own: `deadline_at` is that of the step that goes on, `final_at` that of the whole.
alter table rollouts.deployment
  add column final_at timestamptz,
  add column downloaded_at timestamptz,
  add column installing_at timestamptz;
