create schema enrollment;

-- Manufacturers whose device identities (IDevID) may enroll.
create table enrollment.trust_anchor (
  id              text primary key,
  fleet           text not null,
  name            text not null,
  certificate     bytea not null,
  fingerprint     text not null,
  subject         text not null,
  not_after       timestamptz not null,
  unknown_devices text not null check (unknown_devices in ('approve', 'refuse')),
  created_at      timestamptz not null,
  unique (fleet, fingerprint)
);

-- Serial numbers that a manufacturer announced.
create table enrollment.manifest_entry (
  fleet       text not null,
  serial      text not null,
  model       text,
  tags        jsonb not null default '{}',
  imported_at timestamptz not null,
  primary key (fleet, serial)
);

-- One-time codes. Only a salted hash is kept; the newest of a serial number is the one that counts.
create table enrollment.one_time_code (
  id             text primary key,
  fleet          text not null,
  serial         text not null,
  salt           bytea not null,
  hash           bytea not null,
  created_at     timestamptz not null,
  expires_at     timestamptz not null,
  wrong_attempts int not null default 0,
  used_at        timestamptz
);
create index on enrollment.one_time_code (fleet, serial, id desc);

-- Devices of a trusted manufacturer that stand in no manifest and wait for a person.
create table enrollment.pending (
  id              text primary key,
  fleet           text not null,
  serial          text not null,
  key_fingerprint text not null,
  anchor          text,
  state           text not null check (state in ('waiting', 'approved', 'rejected')),
  reason          text,
  first_seen_at   timestamptz not null,
  last_seen_at    timestamptz not null,
  decided_at      timestamptz,
  attempts        int not null default 1,
  unique (fleet, serial, key_fingerprint)
);
create index on enrollment.pending (fleet, state, first_seen_at);

-- The attempt log: every try, whatever came of it. A repeated refusal is one row a minute with its count.
create table enrollment.attempt (
  id             text primary key,
  fleet          text not null,
  at             timestamptz not null,
  last_at        timestamptz not null,
  count          int not null default 1,
  repeats        text unique,
  serial         text,
  device         text,
  operation      text not null check (operation in ('simpleenroll', 'simplereenroll', 'connect')),
  method         text not null check (method in ('idevid', 'one_time_code', 'ldevid', 'none')),
  verdict        text not null check (verdict in ('issued', 'pending', 'refused')),
  step           text not null,
  because        text not null,
  reason         text not null,
  fix            text,
  remote_address text,
  fingerprint    text
);
create index on enrollment.attempt (fleet, id desc);
create index on enrollment.attempt (fleet, serial, id desc);

-- Every certificate that was issued to a device. `attempt` is the log entry that came before the signature.
create table enrollment.certificate (
  id               text primary key,
  fleet            text not null,
  serial_number    text not null unique,
  fingerprint      text not null unique,
  device           text not null,
  subject          text not null,
  issuer           text not null,
  certificate      bytea not null,
  key_fingerprint  text not null,
  request_hash     text not null,
  -- What the device showed to get it: 'idevid:FINGERPRINT', 'code:ID' or 'ldevid:FINGERPRINT'.
  identity         text not null,
  anchor           text,
  attempt          text not null references enrollment.attempt (id),
  generation       int not null,
  not_before       timestamptz not null,
  not_after        timestamptz not null,
  issued_at        timestamptz not null,
  state            text not null check (state in ('issued', 'active', 'superseded', 'revoked')),
  activated_at     timestamptz,
  superseded_at    timestamptz,
  revoked_at       timestamptz,
  revoked_because  text
);
create index on enrollment.certificate (fleet, id desc);
create index on enrollment.certificate (fleet, device, id desc);
create index on enrollment.certificate (key_fingerprint);
create index on enrollment.certificate (identity, request_hash);
create index on enrollment.certificate (issuer, revoked_at) where state = 'revoked';
