-- The installation's first authority, for processes that do not hold its keys. Later ones stand in identity.authority.
create table identity.own_authority (
  name        text primary key check (name in ('root', 'issuing')),
  certificate bytea not null
);

-- What one process asks the keeper of the keys to sign. A row lives for seconds: it goes when its answer was read.
create table identity.signing (
  id        text primary key,
  key_name  text not null,
  content   bytea not null,
  asked_at  timestamptz not null default now(),
  signature bytea,
  -- Why it is not signed.
  refused   text
);
create index signing_open on identity.signing (asked_at) where signature is null and refused is null;
