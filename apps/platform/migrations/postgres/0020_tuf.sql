create schema tuf;

-- Public metadata, letter for letter as it was signed. Nothing in here can be changed without the device noticing.
create table tuf.file (
  fleet text not null,
  repository text not null check (repository in ('image', 'director')),
  -- As it is asked for: 2.root.json, timestamp.json.
  name text not null,
  role text not null,
  version bigint not null check (version > 0),
  metadata text not null,
  expires_at timestamptz not null,
  created_at timestamptz not null,
  primary key (fleet, repository, name)
);

create index file_by_role on tuf.file (fleet, repository, role, version desc);

-- What the newest targets files of the image repository list.
create table tuf.target (
  fleet text not null,
  role text not null,
  path text not null,
  size bigint not null,
  sha256 text not null,
  release_counter bigint not null,
  statement text not null,
  primary key (fleet, role, path)
);

create index target_by_path on tuf.target (fleet, path);

-- The director's word to each device, signed when it last changed or grew old.
create table tuf.director_set (
  fleet text not null,
  device text not null,
  -- What the set says, and by which root, as a hash: equal means that nothing needs to be signed.
  subject text not null,
  version bigint not null,
  targets text not null,
  snapshot text not null,
  timestamp text not null,
  expires_at timestamptz not null,
  primary key (fleet, device)
);
