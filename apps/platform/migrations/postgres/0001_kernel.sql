create schema kernel;

-- What has been done to this database, so that it is done once.
create table kernel.migration (
  number int primary key,
  name text not null unique,
  sha256 text not null,
  applied_at timestamptz not null default now()
);

-- For tables that may only grow: a trigger function that refuses every change of what stands.
create function kernel.refuse_change() returns trigger language plpgsql as $$
begin
  raise exception '%.% is append-only: % is refused', tg_table_schema, tg_table_name, lower(tg_op) using errcode = 'restrict_violation';
end
$$;
