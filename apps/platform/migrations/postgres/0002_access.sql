create schema access;

-- Programs. Only the SHA-256 of a token is kept: it has 256 bits of chance, so there is nothing to guess and no need for salt.
create table access.service_account (
  id text primary key,
  fleet text not null,
  name text not null,
  role text not null check (role in ('viewer', 'operator', 'release_manager', 'security', 'admin')),
  token_hash bytea not null unique,
  -- The account whose token stands in the data folder's admin-token file.
  built_in boolean not null default false,
  created_at timestamptz not null,
  last_used_at timestamptz,
  revoked_at timestamptz
);
create unique index one_live_built_in_account on access.service_account (built_in) where built_in and revoked_at is null;

create table access.person (
  id text primary key,
  fleet text not null,
  name text not null,
  role text not null check (role in ('viewer', 'operator', 'release_manager', 'security', 'admin')),
  created_at timestamptz not null,
  unique (fleet, name)
);

-- One-time links. The set-up link makes the first administrator; the others sign somebody in.
create table access.sign_in_link (
  id text primary key,
  fleet text not null,
  purpose text not null check (purpose in ('set_up', 'sign_in')),
  -- Null for the set-up link: who follows it says their own name.
  name text,
  role text not null check (role in ('viewer', 'operator', 'release_manager', 'security', 'admin')),
  token_hash bytea not null unique,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  used_at timestamptz
);

create table access.session (
  id text primary key,
  person text not null references access.person (id),
  token_hash bytea not null unique,
  created_at timestamptz not null,
  last_seen_at timestamptz not null,
  ended_at timestamptz
);
create index session_by_person on access.session (person);

-- The audit trail: one chain over all fleets. `hash` covers the hash before it and everything in the row.
create table access.audit_entry (
  seq bigint primary key check (seq > 0),
  fleet text not null,
  at timestamptz not null,
  actor jsonb not null,
  action text not null,
  subject_kind text not null,
  subject_id text not null,
  detail jsonb not null,
  hash text not null check (hash ~ '^[0-9a-f]{64}$')
);
create index audit_entry_by_subject on access.audit_entry (subject_id, seq desc);
create index audit_entry_by_action on access.audit_entry (action, seq desc);

create trigger append_only before update or delete on access.audit_entry for each row execute function kernel.refuse_change();
create trigger never_emptied before truncate on access.audit_entry for each statement execute function kernel.refuse_change();
