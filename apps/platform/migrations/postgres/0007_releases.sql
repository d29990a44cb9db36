create schema releases;

-- Artifacts by their content. The bytes are in the blob store; a row means that they are there.
create table releases.artifact (
  fleet text not null,
  sha256 text not null check (sha256 ~ '^[0-9a-f]{64}$'),
  size bigint not null check (size >= 0),
  created_at timestamptz not null,
  primary key (fleet, sha256)
);

-- Public halves only.
create table releases.signing_key (
  fleet text not null,
  keyid text not null check (keyid ~ '^[0-9a-f]{64}$'),
  name text not null,
  public_key_pem text not null,
  created_at timestamptz not null,
  revoked_at timestamptz,
  primary key (fleet, keyid)
);

create table releases.release (
  fleet text not null,
  id text not null,
  name text not null,
  version text not null,
  models text[] not null,
  sha256 text not null,
  size bigint not null,
  -- json, not jsonb: kept letter for letter as it was uploaded.
  envelope json not null,
  signed_by text[] not null,
  notes text not null,
  created_at timestamptz not null,
  retired_at timestamptz,
  primary key (fleet, id),
  unique (fleet, name, version),
  foreign key (fleet, sha256) references releases.artifact (fleet, sha256)
);

create index release_by_version on releases.release (fleet, version);
create index release_by_artifact on releases.release (fleet, sha256);

-- What other modules may read.
create view releases.published as select fleet, id, name, version, sha256, created_at, retired_at from releases.release;
