create schema identity;

-- Authorities beside the first ones, which stand in the files root.pem and issuing.pem. Keys lie in the key store under `key_name`.
create table identity.authority (
  id          text primary key,
  rotation    text not null,
  role        text not null check (role in ('root', 'issuing', 'new_with_old', 'old_with_new')),
  certificate bytea not null,
  -- Null for a cross certificate: it is no authority of its own.
  key_name    text
);
create index on identity.authority (rotation);

-- The staged plan of a rotation. There is one authority for the installation, so there is one open rotation at most.
create table identity.rotation (
  id              text primary key,
  kind            text not null check (kind in ('issuing', 'root')),
  phase           text not null check (phase in ('distribute', 'serve', 'issue', 'done', 'aborted')),
  -- The share of active devices that must have the new trust before the next phase.
  share           float8 not null check (share > 0 and share <= 1),
  held_because    text,
  started_at      timestamptz not null,
  phase_since     timestamptz not null,
  ended_at        timestamptz,
  ended_because   text
);
create unique index rotation_open on identity.rotation ((true)) where ended_at is null;

-- The roots that each device says it believes, as its last heartbeat with them said.
create table identity.device_trust (
  fleet  text not null,
  device text collate "C" primary key,
  roots  text[] not null,
  at     timestamptz not null
);

-- Signs that one identity is in two places.
create table identity.clone_evidence (
  id     text primary key,
  fleet  text not null,
  device text collate "C" not null,
  at     timestamptz not null,
  kind   text not null check (kind in ('generation_fork', 'two_connections', 'two_boots')),
  action text not null check (action in ('quarantined', 'noted')),
  detail jsonb not null
);
create index clone_evidence_device on identity.clone_evidence (fleet, device, id desc);

-- The attempt log, sealed: each entry's hash, chained in each fleet. An entry that was forgotten after its time leaves its hash here.
create table identity.log_seal (
  fleet      text not null,
  seq        bigint not null,
  attempt    text not null unique,
  entry_hash text not null,
  hash       text not null,
  primary key (fleet, seq)
);
alter table enrollment.attempt add column sealed boolean not null default false;
create index attempt_unsealed on enrollment.attempt (fleet, id) where not sealed;
