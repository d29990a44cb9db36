create schema kernel;

-- What has been done to this database, so that it is done once.
create table kernel.migration (
  number int primary key,
  name text not null unique,
  sha256 text not null,
  applied_at timestamptz not null default now()
);

-- Requests that came with an Idempotency-Key, for a day. Without a status the request is still at work; an answer that holds a secret is
-- not kept. Text, because jsonb would not give back the bytes that were sent.
create table kernel.idempotency_key (
  fleet text not null,
  actor text not null,
  key text not null,
  operation text not null,
  request_sha256 bytea not null,
  claimed_at timestamptz not null,
  status int,
  answer text,
  primary key (fleet, actor, key)
);
create index idempotency_key_age on kernel.idempotency_key (claimed_at);

-- For tables that may only grow: a trigger function that refuses every change of what stands.
create function kernel.refuse_change() returns trigger language plpgsql as $$
begin
  raise exception '%.% is append-only: % is refused', tg_table_schema, tg_table_name, lower(tg_op) using errcode = 'restrict_violation';
end
$$;
