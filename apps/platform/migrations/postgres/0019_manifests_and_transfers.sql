-- Whose word about a serial number counts: anybody's who may import, or only what the manufacturer has signed.
alter table enrollment.trust_anchor add column manifests text not null default 'any' check (manifests in ('any', 'signed'));

-- Keys with which a manufacturer signs its manifests. A key speaks for one manufacturer only.
create table enrollment.manifest_key (
  id          text primary key,
  fleet       text not null,
  anchor      text not null references enrollment.trust_anchor (id) on delete cascade,
  name        text not null,
  -- SubjectPublicKeyInfo, and its SHA-256 in hex.
  public_key  bytea not null,
  fingerprint text not null,
  created_at  timestamptz not null,
  unique (fleet, fingerprint)
);
create index on enrollment.manifest_key (anchor);

-- Every manifest that was imported.
create table enrollment.manifest (
  id              text primary key,
  fleet           text not null,
  imported_at     timestamptz not null,
  imported_by     text not null,
  -- SHA-256 of the document; absent where entries came without one.
  document_hash   text,
  -- For a signed one: the fingerprints of the manufacturer's CA certificate and of the key, and the signer's own word about the time.
  signed_by       text,
  key_fingerprint text,
  signed_at       timestamptz,
  expected        int not null,
  already         int not null
);
create index on enrollment.manifest (fleet, id desc);

alter table enrollment.manifest_entry
  add column manifest text,
  -- The fingerprint of the CA certificate of the manufacturer who signed it.
  add column signed_by text;

-- Devices that came from another owner, went to one, came back, or were replaced. The document is the voucher, signed (CMS).
create table identity.transfer (
  id        text primary key,
  fleet     text not null,
  device    text not null,
  kind      text not null check (kind in ('out', 'in', 'return', 'replaced', 'replaces')),
  at        timestamptz not null,
  actor     text not null,
  reason    text not null,
  -- The other owner, or the other board.
  other     text,
  -- Of the voucher: its own id, so that one voucher is taken in once, and its bytes.
  voucher   text,
  document  bytea,
  detail    jsonb not null default '{}'
);
create index on identity.transfer (fleet, device, id desc);
create unique index on identity.transfer (voucher) where kind = 'in';
