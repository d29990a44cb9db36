-- What devices leave behind when they crash (docs/operate/crash-evidence.md). The bytes lie beside the artifacts, by their SHA-256.
create schema crashes;

create table crashes.crash (
  fleet text not null,
  id text not null,
  device text not null,
  kind text not null check (kind in ('core', 'pstore', 'bootlog', 'log')),
  sha256 text not null check (sha256 ~ '^[0-9a-f]{64}$'),
  size bigint not null,
  -- The boot in which it happened and the build that ran, as the device says.
  boot_id text,
  version text,
  build text,
  received_at timestamptz not null,
  -- Builds that crash alike have one signature: what it is called, and the frames that it is made of.
  signature text not null,
  title text not null,
  frames text[] not null,
  -- The update that the device was exposed to. With one it is pinned: it stays until a person releases it.
  rollout text,
  deployment text,
  release text,
  -- Until when it is kept; null while it is pinned.
  keep_until timestamptz,
  released_at timestamptz,
  released_by jsonb,
  release_reason text,
  -- The bytes are gone; what is known about them stays.
  removed_at timestamptz,
  primary key (fleet, id),
  unique (fleet, device, kind, sha256)
);
create index crash_of_device on crashes.crash (fleet, device, received_at desc);
create index crash_of_rollout on crashes.crash (fleet, rollout, signature) where rollout is not null;
create index crash_by_bytes on crashes.crash (sha256) where removed_at is null;
create index crash_due on crashes.crash (keep_until) where removed_at is null and keep_until is not null;
