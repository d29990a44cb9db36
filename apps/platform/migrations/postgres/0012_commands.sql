create schema commands;

-- A command on one device. What was given to many at once shares a batch. A row is changed by the loop, by the device's words, and by who
-- takes it back; once it has ended only a late result is added.
create table commands.command (
  fleet text not null,
  id text collate "C" not null,
  batch text collate "C" not null,
  device text collate "C" not null,
  name text not null,
  args jsonb not null,
  state text not null check (state in ('queued', 'sent', 'delivered', 'succeeded', 'failed', 'refused', 'expired', 'cancelled')),
  reason text not null,
  given_by text not null,
  created_at timestamptz not null,
  deadline_at timestamptz not null,
  -- When the loop must look next: to send, to send again, or because the deadline has passed.
  look_at timestamptz not null,
  attempts int not null default 0,
  sent_at timestamptz,
  delivered_at timestamptz,
  ended_at timestamptz,
  cancelled_because text,
  result_status text check (result_status in ('succeeded', 'failed', 'refused')),
  result_code text,
  result_detail text,
  result_output jsonb,
  result_at timestamptz,
  primary key (fleet, id),
  check ((ended_at is null) = (state in ('queued', 'sent', 'delivered')))
);
create index command_due on commands.command (look_at) where ended_at is null;
create index command_pending on commands.command (fleet, device, id) where ended_at is null;
create index command_of_device on commands.command (fleet, device, id);
create index command_of_batch on commands.command (fleet, batch, id);

-- What a device should be. Generation 0 is a row that was made to be locked: nothing is desired yet.
create table commands.desired (
  fleet text not null,
  device text collate "C" not null,
  generation int not null default 0,
  state jsonb not null default '{}',
  reason text not null default '',
  changed_by text not null default '',
  changed_at timestamptz not null,
  -- What the device last said about it.
  applied_generation int,
  applied_at timestamptz,
  refused text[] not null default '{}',
  -- When the loop must send it again; null once the device has followed.
  look_at timestamptz,
  attempts int not null default 0,
  primary key (fleet, device)
);
create index desired_due on commands.desired (look_at) where look_at is not null;

-- How it came about. Never changed.
create table commands.desired_change (
  fleet text not null,
  device text collate "C" not null,
  generation int not null,
  mode text not null check (mode in ('merge', 'replace')),
  document jsonb not null,
  reason text not null,
  by text not null,
  at timestamptz not null,
  primary key (fleet, device, generation)
);

create trigger desired_change_is_append_only before update or delete on commands.desired_change
  for each row execute function kernel.refuse_change();
