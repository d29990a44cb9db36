-- What a board says of itself; releases may be limited to some.
alter table registry.device add column hardware_revision text;

alter table releases.release
  add column channel text not null default 'stable' check (channel in ('stable', 'beta', 'dev')),
  -- When a rollout first took it: from then on nothing that was said about it may be taken back.
  add column used_at timestamptz,
  add column retired_by text,
  add column retired_because text;
update releases.release r
  set used_at = (select min(o.created_at) from rollouts.rollout o where o.fleet = r.fleet and o.release = r.id);
create index release_by_channel on releases.release (fleet, channel, id);

-- Keys that may vouch for how an artifact was built. Public halves only; other keys than those that sign releases.
create table releases.provenance_key (
  fleet text not null,
  keyid text not null check (keyid ~ '^[0-9a-f]{64}$'),
  name text not null,
  public_key_pem text not null,
  created_at timestamptz not null,
  revoked_at timestamptz,
  primary key (fleet, keyid)
);

-- Documents about a release. The bytes are in the blob store under their hash; a row means that they are there.
create table releases.attachment (
  fleet text not null,
  id text not null,
  release text not null,
  kind text not null check (kind in ('sbom', 'provenance')),
  sha256 text not null check (sha256 ~ '^[0-9a-f]{64}$'),
  size bigint not null,
  -- What the document is and says, as it was read when it was taken in.
  format text not null,
  summary jsonb not null,
  -- Keys whose signature was found to hold then.
  verified_by text[] not null,
  created_by text not null,
  created_at timestamptz not null,
  primary key (fleet, id),
  unique (fleet, release, kind, sha256),
  foreign key (fleet, release) references releases.release (fleet, id)
);

-- What an SBOM lists, so that "which releases contain it" is a question to an index.
create table releases.component (
  fleet text not null,
  attachment text not null,
  seq int not null,
  release text not null,
  name text not null,
  name_key text collate "C" not null,
  version text,
  -- Byte order of this key is the order of versions (packages/base/src/version.ts).
  version_key text collate "C",
  purl text,
  type text not null,
  licences text[] not null,
  primary key (fleet, attachment, seq),
  foreign key (fleet, attachment) references releases.attachment (fleet, id) on delete cascade
);
create index component_by_name on releases.component (fleet, name_key, version_key);
create index component_by_purl on releases.component (fleet, purl text_pattern_ops) where purl is not null;

-- Artifacts on their way in. The bytes that have come stand in parts of their own until the last one is there.
create table releases.upload (
  fleet text not null,
  id text primary key,
  -- Who began it; nobody else may go on with it.
  actor text not null,
  sha256 text not null check (sha256 ~ '^[0-9a-f]{64}$'),
  size bigint not null check (size > 0),
  received bigint not null default 0 check (received between 0 and size),
  created_at timestamptz not null,
  expires_at timestamptz not null,
  completed_at timestamptz
);
create unique index one_open_upload on releases.upload (fleet, actor, sha256) where completed_at is null;
create index upload_expiry on releases.upload (expires_at);

-- A part is written down before it is stored, so that what a crash leaves behind is known and can be removed.
create table releases.upload_part (
  upload text not null references releases.upload (id) on delete cascade,
  -- The place of its first byte.
  at bigint not null,
  sha256 text not null check (sha256 ~ '^[0-9a-f]{64}$'),
  size bigint not null check (size > 0),
  stored_at timestamptz,
  primary key (upload, at, sha256)
);
create index upload_part_by_hash on releases.upload_part (sha256);
