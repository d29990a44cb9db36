-- Dead letters get a name of their own, so that a person can look at one, have it applied again, or let it go. The parts of the name are the key's.
alter table telemetry.dead_letter add column id text generated always as
  ('dead_' || md5(token || ' ' || consumer || ' ' || device || ' ' || payload_sha256 || ' ' || extract(epoch from received_at at time zone 'UTC')::text)) stored;
create unique index dead_letter_id on telemetry.dead_letter (id);
