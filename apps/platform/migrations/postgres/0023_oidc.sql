-- Whose pipelines may sign in without a secret of ours: an issuer of OpenID Connect, and what its tokens must say.
create table access.oidc_trust (
  id text primary key,
  fleet text not null,
  name text not null,
  issuer text not null,
  audience text not null,
  -- Claim by claim, the patterns of which one must fit.
  conditions jsonb not null,
  role text not null check (role in ('viewer', 'operator', 'release_manager', 'security', 'admin')),
  token_lifetime_s int not null check (token_lifetime_s between 60 and 43200),
  created_at timestamptz not null,
  last_used_at timestamptz,
  revoked_at timestamptz
);
create unique index one_live_trust_of_a_name on access.oidc_trust (fleet, name) where revoked_at is null;
create index oidc_trust_by_issuer on access.oidc_trust (issuer) where revoked_at is null;

-- Tokens that were given for a token of an issuer. Short-lived; worthless as soon as their trust is revoked.
create table access.exchanged_token (
  id text primary key,
  trust text not null references access.oidc_trust (id),
  -- Who holds it, in words: the repository and the ref.
  holder text not null,
  token_hash bytea not null unique,
  issued_at timestamptz not null,
  expires_at timestamptz not null
);
create index exchanged_token_age on access.exchanged_token (expires_at);

-- How often each token of an issuer was exchanged, until it expires by itself.
create table access.spent_assertion (
  issuer text not null,
  jti text not null,
  uses int not null,
  expires_at timestamptz not null,
  primary key (issuer, jti)
);
create index spent_assertion_age on access.spent_assertion (expires_at);

-- Parts of uploads carry their upload's name, so nobody looks for them by their hash.
drop index releases.upload_part_by_hash;
