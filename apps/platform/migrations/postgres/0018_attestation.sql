-- Certificate authorities of TPM makers: they vouch for chips, and never for devices.
create table identity.tpm_maker (
  id          text primary key,
  fleet       text not null,
  name        text not null,
  certificate bytea not null,
  fingerprint text not null,
  subject     text not null,
  not_after   timestamptz not null,
  created_at  timestamptz not null,
  unique (fleet, fingerprint)
);

-- Trust anchors whose devices get a certificate only for a key that a TPM vouches for; `software` demands known software too.
create table identity.attestation_policy (
  anchor text primary key references enrollment.trust_anchor (id) on delete cascade,
  fleet  text not null,
  demand text not null check (demand in ('tpm', 'software')),
  since  timestamptz not null
);

-- What a TPM should have measured at boot. A name has generations; those that are not retired count, each for its model or for all.
create table identity.attestation_reference (
  id         text primary key,
  fleet      text not null,
  name       text not null,
  generation int not null,
  model      text,
  -- {"0": ["hex", …], …}: for each PCR of the SHA-256 bank the values that are allowed.
  pcrs       jsonb not null,
  created_by text not null,
  created_at timestamptz not null,
  retired_at timestamptz,
  unique (fleet, name, generation)
);

-- Each attestation from its challenge to its verdict. What the device said is kept, so that it can be judged again.
create table identity.attestation (
  id               text primary key,
  fleet            text not null,
  device           text collate "C" not null,
  begun_at         timestamptz not null,
  expires_at       timestamptz not null,
  -- SHA-256 of the SubjectPublicKeyInfo of endorsement key and device's key, in hex. Absent where they could not be read.
  ek_fingerprint   text,
  key_fingerprint  text,
  maker            text,
  -- TPMT_PUBLIC.
  ak               bytea,
  device_key       bytea,
  -- SHA-256 of the secret that was sealed; the secret itself is kept nowhere.
  secret_hash      bytea,
  nonce            bytea,
  pcrs_asked       int[] not null default '{}',
  answered_at      timestamptz,
  verdict          text check (verdict in ('passed', 'failed')),
  failed_check     text,
  because          text,
  software         text check (software in ('matches', 'differs', 'unjudged')),
  reference        text references identity.attestation_reference (id),
  pcrs             jsonb,
  clock            text,
  reset_count      bigint,
  restart_count    bigint,
  firmware_version text,
  action           text check (action in ('noted', 'quarantined')),
  -- When an operator said that the device has another TPM now: the ones before bind it no longer.
  forgotten_at     timestamptz
);
create index attestation_device on identity.attestation (fleet, device, id desc);
create index attestation_ek on identity.attestation (ek_fingerprint, id desc) where verdict = 'passed' and forgotten_at is null;

alter table enrollment.attempt drop constraint attempt_operation_check;
alter table enrollment.attempt add constraint attempt_operation_check
  check (operation in ('simpleenroll', 'simplereenroll', 'connect', 'attest'));
