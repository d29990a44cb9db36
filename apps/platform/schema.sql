-- Made by `node tools/schema.ts --write` from the migrations. Do not edit: add a migration.

create schema access;
create schema commands;
create schema crashes;
create schema enrollment;
create schema identity;
create schema kernel;
create schema kpi;
create schema links;
create schema monitoring;
create schema registry;
create schema releases;
create schema rollouts;
create schema telemetry;
create schema tuf;

CREATE OR REPLACE FUNCTION kernel.refuse_change()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  raise exception '%.% is append-only: % is refused', tg_table_schema, tg_table_name, lower(tg_op) using errcode = 'restrict_violation';
end
$function$
;
CREATE OR REPLACE FUNCTION kpi.device_time(of_fleet text, from_at timestamp with time zone, to_at timestamp with time zone)
 RETURNS TABLE(device text, expected tstzmultirange, reachable tstzmultirange)
 LANGUAGE sql
 STABLE
AS $function$
  with period as (select tstzrange(from_at, to_at) as w),
  platform as (
    select coalesce(range_agg(during * w), '{}'::tstzmultirange) as impaired from monitoring.platform_impaired, period where during && w
  ),
  -- One pass over both kinds of time: a join of two aggregates of unknown size is where planners go wrong.
  stretch as (
    select e.device, e.during * w as expected, null::tstzrange as reachable
    from registry.expected_time e, period where e.fleet = of_fleet and not e.excluded and e.during && w
    union all
    select r.device, null, r.during * w from registry.reachable_time r, period where r.fleet = of_fleet and r.during && w
  ),
  per_device as (
    select s.device, range_agg(s.expected) - (select impaired from platform) as expected, coalesce(range_agg(s.reachable), '{}') as reachable
    from stretch s group by s.device having count(s.expected) > 0
  )
  select p.device, p.expected, p.expected * p.reachable from per_device p where not isempty(p.expected)
$function$
;
CREATE OR REPLACE FUNCTION kpi.seconds(stretches tstzmultirange)
 RETURNS double precision
 LANGUAGE sql
 IMMUTABLE
AS $function$
  select coalesce(sum(date_part('epoch', upper(r) - lower(r))), 0) from unnest(stretches) r
$function$
;
CREATE OR REPLACE FUNCTION rollouts.count_moved()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  insert into rollouts.tally as t (fleet, rollout, rollback, stage, stratum, state, devices, last_verified_at)
  select fleet, rollout, rollback, stage, stratum, state, sum(n), max(verified_at) from (
    select fleet, rollout, rollback, stage, stratum, state, 1 as n, verified_at from new_rows where not retried
    union all select fleet, rollout, rollback, stage, stratum, state, -1, null from old_rows where not retried) moved
  group by 1, 2, 3, 4, 5, 6 having sum(n) <> 0 order by 1, 2, 3, 4, 5, 6
  on conflict (fleet, rollout, rollback, stage, stratum, state) do update set devices = t.devices + excluded.devices,
    last_verified_at = greatest(t.last_verified_at, excluded.last_verified_at);
  return null;
end $function$
;
CREATE OR REPLACE FUNCTION rollouts.count_new()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  insert into rollouts.tally as t (fleet, rollout, rollback, stage, stratum, state, devices, last_verified_at)
  select fleet, rollout, rollback, stage, stratum, state, count(*), max(verified_at) from new_rows where not retried group by 1, 2, 3, 4, 5, 6 order by 1, 2, 3, 4, 5, 6
  on conflict (fleet, rollout, rollback, stage, stratum, state) do update set devices = t.devices + excluded.devices,
    last_verified_at = greatest(t.last_verified_at, excluded.last_verified_at);
  return null;
end $function$
;
CREATE OR REPLACE FUNCTION telemetry.add_buckets(a jsonb, b jsonb)
 RETURNS jsonb
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$
  select coalesce(jsonb_object_agg(bucket, n), '{}')
  from (select key as bucket, sum(value::bigint) as n from (select * from jsonb_each_text(a) union all select * from jsonb_each_text(b)) both_sides group by key) added
$function$
;

create table access.audit_entry (
  seq bigint not null,
  fleet text not null,
  at timestamp with time zone not null,
  actor jsonb not null,
  action text not null,
  subject_kind text not null,
  subject_id text not null,
  detail jsonb not null,
  hash text not null,
  constraint audit_entry_pkey PRIMARY KEY (seq),
  constraint audit_entry_hash_check CHECK ((hash ~ '^[0-9a-f]{64}$'::text)),
  constraint audit_entry_seq_check CHECK ((seq > 0))
);
create table access.exchanged_token (
  id text not null,
  trust text not null,
  holder text not null,
  token_hash bytea not null,
  issued_at timestamp with time zone not null,
  expires_at timestamp with time zone not null,
  constraint exchanged_token_pkey PRIMARY KEY (id),
  constraint exchanged_token_token_hash_key UNIQUE (token_hash),
  constraint exchanged_token_trust_fkey FOREIGN KEY (trust) REFERENCES access.oidc_trust(id)
);
create table access.oidc_trust (
  id text not null,
  fleet text not null,
  name text not null,
  issuer text not null,
  audience text not null,
  conditions jsonb not null,
  role text not null,
  token_lifetime_s integer not null,
  created_at timestamp with time zone not null,
  last_used_at timestamp with time zone,
  revoked_at timestamp with time zone,
  constraint oidc_trust_pkey PRIMARY KEY (id),
  constraint oidc_trust_role_check CHECK ((role = ANY (ARRAY['viewer'::text, 'operator'::text, 'release_manager'::text, 'security'::text, 'admin'::text]))),
  constraint oidc_trust_token_lifetime_s_check CHECK (((token_lifetime_s >= 60) AND (token_lifetime_s <= 43200)))
);
create table access.person (
  id text not null,
  fleet text not null,
  name text not null,
  role text not null,
  created_at timestamp with time zone not null,
  constraint person_pkey PRIMARY KEY (id),
  constraint person_fleet_name_key UNIQUE (fleet, name),
  constraint person_role_check CHECK ((role = ANY (ARRAY['viewer'::text, 'operator'::text, 'release_manager'::text, 'security'::text, 'admin'::text])))
);
create table access.service_account (
  id text not null,
  fleet text not null,
  name text not null,
  role text not null,
  token_hash bytea not null,
  built_in boolean not null default false,
  created_at timestamp with time zone not null,
  last_used_at timestamp with time zone,
  revoked_at timestamp with time zone,
  constraint service_account_pkey PRIMARY KEY (id),
  constraint service_account_role_check CHECK ((role = ANY (ARRAY['viewer'::text, 'operator'::text, 'release_manager'::text, 'security'::text, 'admin'::text]))),
  constraint service_account_token_hash_key UNIQUE (token_hash)
);
create table access.session (
  id text not null,
  person text not null,
  token_hash bytea not null,
  created_at timestamp with time zone not null,
  last_seen_at timestamp with time zone not null,
  ended_at timestamp with time zone,
  constraint session_pkey PRIMARY KEY (id),
  constraint session_person_fkey FOREIGN KEY (person) REFERENCES access.person(id),
  constraint session_token_hash_key UNIQUE (token_hash)
);
create table access.sign_in_link (
  id text not null,
  fleet text not null,
  purpose text not null,
  name text,
  role text not null,
  token_hash bytea not null,
  created_at timestamp with time zone not null,
  expires_at timestamp with time zone not null,
  used_at timestamp with time zone,
  constraint sign_in_link_pkey PRIMARY KEY (id),
  constraint sign_in_link_purpose_check CHECK ((purpose = ANY (ARRAY['set_up'::text, 'sign_in'::text]))),
  constraint sign_in_link_role_check CHECK ((role = ANY (ARRAY['viewer'::text, 'operator'::text, 'release_manager'::text, 'security'::text, 'admin'::text]))),
  constraint sign_in_link_token_hash_key UNIQUE (token_hash)
);
create table access.spent_assertion (
  issuer text not null,
  jti text not null,
  uses integer not null,
  expires_at timestamp with time zone not null,
  constraint spent_assertion_pkey PRIMARY KEY (issuer, jti)
);
create table commands.command (
  fleet text not null,
  id text not null,
  batch text not null,
  device text not null,
  name text not null,
  args jsonb not null,
  state text not null,
  reason text not null,
  given_by text not null,
  created_at timestamp with time zone not null,
  deadline_at timestamp with time zone not null,
  look_at timestamp with time zone not null,
  attempts integer not null default 0,
  sent_at timestamp with time zone,
  delivered_at timestamp with time zone,
  ended_at timestamp with time zone,
  cancelled_because text,
  result_status text,
  result_code text,
  result_detail text,
  result_output jsonb,
  result_at timestamp with time zone,
  constraint command_pkey PRIMARY KEY (fleet, id),
  constraint command_check CHECK (((ended_at IS NULL) = (state = ANY (ARRAY['queued'::text, 'sent'::text, 'delivered'::text])))),
  constraint command_result_status_check CHECK ((result_status = ANY (ARRAY['succeeded'::text, 'failed'::text, 'refused'::text]))),
  constraint command_state_check CHECK ((state = ANY (ARRAY['queued'::text, 'sent'::text, 'delivered'::text, 'succeeded'::text, 'failed'::text, 'refused'::text, 'expired'::text, 'cancelled'::text])))
);
create table commands.desired (
  fleet text not null,
  device text not null,
  generation integer not null default 0,
  state jsonb not null default '{}'::jsonb,
  reason text not null default ''::text,
  changed_by text not null default ''::text,
  changed_at timestamp with time zone not null,
  applied_generation integer,
  applied_at timestamp with time zone,
  refused text[] not null default '{}'::text[],
  look_at timestamp with time zone,
  attempts integer not null default 0,
  constraint desired_pkey PRIMARY KEY (fleet, device)
);
create table commands.desired_change (
  fleet text not null,
  device text not null,
  generation integer not null,
  mode text not null,
  document jsonb not null,
  reason text not null,
  by text not null,
  at timestamp with time zone not null,
  constraint desired_change_pkey PRIMARY KEY (fleet, device, generation),
  constraint desired_change_mode_check CHECK ((mode = ANY (ARRAY['merge'::text, 'replace'::text])))
);
create table crashes.crash (
  fleet text not null,
  id text not null,
  device text not null,
  kind text not null,
  sha256 text not null,
  size bigint not null,
  boot_id text,
  version text,
  build text,
  received_at timestamp with time zone not null,
  signature text not null,
  title text not null,
  frames text[] not null,
  rollout text,
  deployment text,
  release text,
  keep_until timestamp with time zone,
  released_at timestamp with time zone,
  released_by jsonb,
  release_reason text,
  removed_at timestamp with time zone,
  constraint crash_pkey PRIMARY KEY (fleet, id),
  constraint crash_fleet_device_kind_sha256_key UNIQUE (fleet, device, kind, sha256),
  constraint crash_kind_check CHECK ((kind = ANY (ARRAY['core'::text, 'pstore'::text, 'bootlog'::text, 'log'::text]))),
  constraint crash_sha256_check CHECK ((sha256 ~ '^[0-9a-f]{64}$'::text))
);
create table enrollment.attempt (
  id text not null,
  fleet text not null,
  at timestamp with time zone not null,
  last_at timestamp with time zone not null,
  count integer not null default 1,
  repeats text,
  serial text,
  device text,
  operation text not null,
  method text not null,
  verdict text not null,
  step text not null,
  because text not null,
  reason text not null,
  fix text,
  remote_address text,
  fingerprint text,
  sealed boolean not null default false,
  constraint attempt_pkey PRIMARY KEY (id),
  constraint attempt_method_check CHECK ((method = ANY (ARRAY['idevid'::text, 'one_time_code'::text, 'ldevid'::text, 'none'::text]))),
  constraint attempt_operation_check CHECK ((operation = ANY (ARRAY['simpleenroll'::text, 'simplereenroll'::text, 'link_renewal'::text, 'connect'::text, 'attest'::text]))),
  constraint attempt_repeats_key UNIQUE (repeats),
  constraint attempt_verdict_check CHECK ((verdict = ANY (ARRAY['issued'::text, 'pending'::text, 'refused'::text])))
);
create table enrollment.certificate (
  id text not null,
  fleet text not null,
  serial_number text not null,
  fingerprint text not null,
  device text not null,
  subject text not null,
  issuer text not null,
  certificate bytea not null,
  key_fingerprint text not null,
  request_hash text not null,
  identity text not null,
  anchor text,
  attempt text not null,
  generation integer not null,
  not_before timestamp with time zone not null,
  not_after timestamp with time zone not null,
  issued_at timestamp with time zone not null,
  state text not null,
  activated_at timestamp with time zone,
  superseded_at timestamp with time zone,
  revoked_at timestamp with time zone,
  revoked_because text,
  constraint certificate_pkey PRIMARY KEY (id),
  constraint certificate_attempt_fkey FOREIGN KEY (attempt) REFERENCES enrollment.attempt(id),
  constraint certificate_fingerprint_key UNIQUE (fingerprint),
  constraint certificate_serial_number_key UNIQUE (serial_number),
  constraint certificate_state_check CHECK ((state = ANY (ARRAY['issued'::text, 'active'::text, 'superseded'::text, 'revoked'::text])))
);
create table enrollment.manifest (
  id text not null,
  fleet text not null,
  imported_at timestamp with time zone not null,
  imported_by text not null,
  document_hash text,
  signed_by text,
  key_fingerprint text,
  signed_at timestamp with time zone,
  expected integer not null,
  already integer not null,
  constraint manifest_pkey PRIMARY KEY (id)
);
create table enrollment.manifest_entry (
  fleet text not null,
  serial text not null,
  model text,
  tags jsonb not null default '{}'::jsonb,
  imported_at timestamp with time zone not null,
  manifest text,
  signed_by text,
  constraint manifest_entry_pkey PRIMARY KEY (fleet, serial)
);
create table enrollment.manifest_key (
  id text not null,
  fleet text not null,
  anchor text not null,
  name text not null,
  public_key bytea not null,
  fingerprint text not null,
  created_at timestamp with time zone not null,
  constraint manifest_key_pkey PRIMARY KEY (id),
  constraint manifest_key_anchor_fkey FOREIGN KEY (anchor) REFERENCES enrollment.trust_anchor(id) ON DELETE CASCADE,
  constraint manifest_key_fleet_fingerprint_key UNIQUE (fleet, fingerprint)
);
create table enrollment.one_time_code (
  id text not null,
  fleet text not null,
  serial text not null,
  salt bytea not null,
  hash bytea not null,
  created_at timestamp with time zone not null,
  expires_at timestamp with time zone not null,
  wrong_attempts integer not null default 0,
  used_at timestamp with time zone,
  constraint one_time_code_pkey PRIMARY KEY (id)
);
create table enrollment.pending (
  id text not null,
  fleet text not null,
  serial text not null,
  key_fingerprint text not null,
  anchor text,
  state text not null,
  reason text,
  first_seen_at timestamp with time zone not null,
  last_seen_at timestamp with time zone not null,
  decided_at timestamp with time zone,
  attempts integer not null default 1,
  constraint pending_pkey PRIMARY KEY (id),
  constraint pending_fleet_serial_key_fingerprint_key UNIQUE (fleet, serial, key_fingerprint),
  constraint pending_state_check CHECK ((state = ANY (ARRAY['waiting'::text, 'approved'::text, 'rejected'::text])))
);
create table enrollment.trust_anchor (
  id text not null,
  fleet text not null,
  name text not null,
  certificate bytea not null,
  fingerprint text not null,
  subject text not null,
  not_after timestamp with time zone not null,
  unknown_devices text not null,
  created_at timestamp with time zone not null,
  manifests text not null default 'any'::text,
  constraint trust_anchor_pkey PRIMARY KEY (id),
  constraint trust_anchor_fleet_fingerprint_key UNIQUE (fleet, fingerprint),
  constraint trust_anchor_manifests_check CHECK ((manifests = ANY (ARRAY['any'::text, 'signed'::text]))),
  constraint trust_anchor_unknown_devices_check CHECK ((unknown_devices = ANY (ARRAY['approve'::text, 'refuse'::text])))
);
create table identity.attestation (
  id text not null,
  fleet text not null,
  device text not null,
  begun_at timestamp with time zone not null,
  expires_at timestamp with time zone not null,
  ek_fingerprint text,
  key_fingerprint text,
  maker text,
  ak bytea,
  device_key bytea,
  secret_hash bytea,
  nonce bytea,
  pcrs_asked integer[] not null default '{}'::integer[],
  answered_at timestamp with time zone,
  verdict text,
  failed_check text,
  because text,
  software text,
  reference text,
  pcrs jsonb,
  clock text,
  reset_count bigint,
  restart_count bigint,
  firmware_version text,
  action text,
  forgotten_at timestamp with time zone,
  constraint attestation_pkey PRIMARY KEY (id),
  constraint attestation_action_check CHECK ((action = ANY (ARRAY['noted'::text, 'quarantined'::text]))),
  constraint attestation_reference_fkey FOREIGN KEY (reference) REFERENCES identity.attestation_reference(id),
  constraint attestation_software_check CHECK ((software = ANY (ARRAY['matches'::text, 'differs'::text, 'unjudged'::text]))),
  constraint attestation_verdict_check CHECK ((verdict = ANY (ARRAY['passed'::text, 'failed'::text])))
);
create table identity.attestation_policy (
  anchor text not null,
  fleet text not null,
  demand text not null,
  since timestamp with time zone not null,
  constraint attestation_policy_pkey PRIMARY KEY (anchor),
  constraint attestation_policy_anchor_fkey FOREIGN KEY (anchor) REFERENCES enrollment.trust_anchor(id) ON DELETE CASCADE,
  constraint attestation_policy_demand_check CHECK ((demand = ANY (ARRAY['tpm'::text, 'software'::text])))
);
create table identity.attestation_reference (
  id text not null,
  fleet text not null,
  name text not null,
  generation integer not null,
  model text,
  pcrs jsonb not null,
  created_by text not null,
  created_at timestamp with time zone not null,
  retired_at timestamp with time zone,
  constraint attestation_reference_pkey PRIMARY KEY (id),
  constraint attestation_reference_fleet_name_generation_key UNIQUE (fleet, name, generation)
);
create table identity.authority (
  id text not null,
  rotation text not null,
  role text not null,
  certificate bytea not null,
  key_name text,
  constraint authority_pkey PRIMARY KEY (id),
  constraint authority_role_check CHECK ((role = ANY (ARRAY['root'::text, 'issuing'::text, 'new_with_old'::text, 'old_with_new'::text])))
);
create table identity.clone_evidence (
  id text not null,
  fleet text not null,
  device text not null,
  at timestamp with time zone not null,
  kind text not null,
  action text not null,
  detail jsonb not null,
  constraint clone_evidence_pkey PRIMARY KEY (id),
  constraint clone_evidence_action_check CHECK ((action = ANY (ARRAY['quarantined'::text, 'noted'::text]))),
  constraint clone_evidence_kind_check CHECK ((kind = ANY (ARRAY['generation_fork'::text, 'two_connections'::text, 'two_boots'::text])))
);
create table identity.device_trust (
  fleet text not null,
  device text not null,
  roots text[] not null,
  at timestamp with time zone not null,
  constraint device_trust_pkey PRIMARY KEY (device)
);
create table identity.log_seal (
  fleet text not null,
  seq bigint not null,
  attempt text not null,
  entry_hash text not null,
  hash text not null,
  constraint log_seal_pkey PRIMARY KEY (fleet, seq),
  constraint log_seal_attempt_key UNIQUE (attempt)
);
create table identity.own_authority (
  name text not null,
  certificate bytea not null,
  constraint own_authority_pkey PRIMARY KEY (name),
  constraint own_authority_name_check CHECK ((name = ANY (ARRAY['root'::text, 'issuing'::text])))
);
create table identity.rotation (
  id text not null,
  kind text not null,
  phase text not null,
  share double precision not null,
  held_because text,
  started_at timestamp with time zone not null,
  phase_since timestamp with time zone not null,
  ended_at timestamp with time zone,
  ended_because text,
  constraint rotation_pkey PRIMARY KEY (id),
  constraint rotation_kind_check CHECK ((kind = ANY (ARRAY['issuing'::text, 'root'::text]))),
  constraint rotation_phase_check CHECK ((phase = ANY (ARRAY['distribute'::text, 'serve'::text, 'issue'::text, 'done'::text, 'aborted'::text]))),
  constraint rotation_share_check CHECK (((share > (0)::double precision) AND (share <= (1)::double precision)))
);
create table identity.signing (
  id text not null,
  key_name text not null,
  content bytea not null,
  asked_at timestamp with time zone not null default now(),
  signature bytea,
  refused text,
  constraint signing_pkey PRIMARY KEY (id)
);
create table identity.tpm_maker (
  id text not null,
  fleet text not null,
  name text not null,
  certificate bytea not null,
  fingerprint text not null,
  subject text not null,
  not_after timestamp with time zone not null,
  created_at timestamp with time zone not null,
  constraint tpm_maker_pkey PRIMARY KEY (id),
  constraint tpm_maker_fleet_fingerprint_key UNIQUE (fleet, fingerprint)
);
create table identity.transfer (
  id text not null,
  fleet text not null,
  device text not null,
  kind text not null,
  at timestamp with time zone not null,
  actor text not null,
  reason text not null,
  other text,
  voucher text,
  document bytea,
  detail jsonb not null default '{}'::jsonb,
  constraint transfer_pkey PRIMARY KEY (id),
  constraint transfer_kind_check CHECK ((kind = ANY (ARRAY['out'::text, 'in'::text, 'return'::text, 'replaced'::text, 'replaces'::text])))
);
create table kernel.idempotency_key (
  fleet text not null,
  actor text not null,
  key text not null,
  operation text not null,
  request_sha256 bytea not null,
  claimed_at timestamp with time zone not null,
  status integer,
  answer text,
  constraint idempotency_key_pkey PRIMARY KEY (fleet, actor, key)
);
create table kernel.migration (
  number integer not null,
  name text not null,
  sha256 text not null,
  applied_at timestamp with time zone not null default now(),
  constraint migration_pkey PRIMARY KEY (number),
  constraint migration_name_key UNIQUE (name)
);
create table monitoring.alert (
  id text not null,
  fleet text not null,
  rule text not null,
  kind text not null,
  severity text not null,
  state text not null,
  subject_kind text not null,
  subject_id text not null,
  title text not null,
  why text not null,
  compared_with text not null,
  next text not null,
  since timestamp with time zone not null,
  opened_at timestamp with time zone not null,
  devices text[] not null default '{}'::text[],
  clear_since timestamp with time zone,
  acknowledged_by text,
  acknowledged_at timestamp with time zone,
  resolved_at timestamp with time zone,
  absorbed_by text,
  constraint alert_pkey PRIMARY KEY (id),
  constraint alert_absorbed_by_fkey FOREIGN KEY (absorbed_by) REFERENCES monitoring.alert(id),
  constraint alert_state_check CHECK ((state = ANY (ARRAY['firing'::text, 'resolved'::text])))
);
create table monitoring.platform_alive (
  id bigint not null generated always as identity,
  server text not null,
  alive_from timestamp with time zone not null,
  alive_until timestamp with time zone not null,
  constraint platform_alive_pkey PRIMARY KEY (id)
);
create table monitoring.rule (
  fleet text not null,
  id text not null,
  kind text not null,
  name text not null,
  enabled boolean not null default true,
  severity text not null,
  filter text,
  share double precision,
  hold_ms bigint not null,
  constraint rule_pkey PRIMARY KEY (fleet, id),
  constraint rule_hold_ms_check CHECK ((hold_ms >= 0)),
  constraint rule_kind_check CHECK ((kind = ANY (ARRAY['device_silent'::text, 'group_silent'::text, 'rollout_halted'::text, 'artifact_damaged'::text]))),
  constraint rule_severity_check CHECK ((severity = ANY (ARRAY['info'::text, 'ticket'::text, 'page'::text]))),
  constraint rule_share_check CHECK (((share >= (0)::double precision) AND (share <= (1)::double precision)))
);
create table registry.contact_span (
  fleet text not null,
  device text not null,
  reach_from timestamp with time zone not null,
  reach_until timestamp with time zone not null,
  constraint contact_span_pkey PRIMARY KEY (device, reach_from),
  constraint contact_span_check CHECK ((reach_until > reach_from)),
  constraint contact_span_device_fkey FOREIGN KEY (device) REFERENCES registry.device(id)
);
create table registry.device (
  id text not null,
  fleet text not null,
  lifecycle text not null,
  model text,
  tags jsonb not null default '{}'::jsonb,
  trust_level smallint not null default 0,
  created_at timestamp with time zone not null,
  updated_at timestamp with time zone not null,
  first_contact_at timestamp with time zone,
  last_contact_at timestamp with time zone,
  lease_ms bigint,
  reach_from timestamp with time zone,
  reach_until timestamp with time zone,
  heartbeat_at timestamp with time zone,
  boot_id text,
  uptime_s double precision,
  fw_version text,
  fw_key text,
  fw_hash text,
  fw_slot text,
  fw_state text,
  fw_since timestamp with time zone,
  reported jsonb not null default '{}'::jsonb,
  reported_at timestamp with time zone,
  refused_count bigint not null default 0,
  refused_at timestamp with time zone,
  refused_reason text,
  hardware_revision text,
  power_source text,
  power_level double precision,
  net_bearer text,
  net_metered boolean,
  past_boots jsonb,
  heartbeat_seq bigint,
  constraint device_pkey PRIMARY KEY (id),
  constraint device_lifecycle_check CHECK ((lifecycle = ANY (ARRAY['expected'::text, 'pending'::text, 'active'::text, 'suspended'::text, 'quarantined'::text, 'retired'::text]))),
  constraint device_trust_level_check CHECK (((trust_level >= 0) AND (trust_level <= 4)))
) with (fillfactor=70);
create table registry.device_group (
  id text not null,
  fleet text not null,
  name text not null,
  filter text,
  created_at timestamp with time zone not null,
  constraint device_group_pkey PRIMARY KEY (id),
  constraint device_group_fleet_name_key UNIQUE (fleet, name)
);
create table registry.firmware_change (
  fleet text not null,
  device text not null,
  at timestamp with time zone not null,
  was_version text,
  version text not null,
  hash text,
  boot_id text,
  constraint firmware_change_pkey PRIMARY KEY (device, at),
  constraint firmware_change_device_fkey FOREIGN KEY (device) REFERENCES registry.device(id)
);
create table registry.group_member (
  group_id text not null,
  device text not null,
  constraint group_member_pkey PRIMARY KEY (group_id, device),
  constraint group_member_device_fkey FOREIGN KEY (device) REFERENCES registry.device(id),
  constraint group_member_group_id_fkey FOREIGN KEY (group_id) REFERENCES registry.device_group(id) ON DELETE CASCADE
);
create table registry.lifecycle_change (
  seq bigint not null generated always as identity,
  fleet text not null,
  device text not null,
  at timestamp with time zone not null,
  was text,
  lifecycle text not null,
  reason text,
  actor text,
  constraint lifecycle_change_pkey PRIMARY KEY (seq),
  constraint lifecycle_change_device_fkey FOREIGN KEY (device) REFERENCES registry.device(id)
);
create table releases.artifact (
  fleet text not null,
  sha256 text not null,
  size bigint not null,
  created_at timestamp with time zone not null,
  checked_at timestamp with time zone,
  damaged_at timestamp with time zone,
  damage text,
  constraint artifact_pkey PRIMARY KEY (fleet, sha256),
  constraint artifact_sha256_check CHECK ((sha256 ~ '^[0-9a-f]{64}$'::text)),
  constraint artifact_size_check CHECK ((size >= 0))
);
create table releases.attachment (
  fleet text not null,
  id text not null,
  release text not null,
  kind text not null,
  sha256 text not null,
  size bigint not null,
  format text not null,
  summary jsonb not null,
  verified_by text[] not null,
  created_by text not null,
  created_at timestamp with time zone not null,
  constraint attachment_pkey PRIMARY KEY (fleet, id),
  constraint attachment_fleet_release_fkey FOREIGN KEY (fleet, release) REFERENCES releases.release(fleet, id),
  constraint attachment_fleet_release_kind_sha256_key UNIQUE (fleet, release, kind, sha256),
  constraint attachment_kind_check CHECK ((kind = ANY (ARRAY['sbom'::text, 'provenance'::text]))),
  constraint attachment_sha256_check CHECK ((sha256 ~ '^[0-9a-f]{64}$'::text))
);
create table releases.component (
  fleet text not null,
  attachment text not null,
  seq integer not null,
  release text not null,
  name text not null,
  name_key text not null,
  version text,
  version_key text,
  purl text,
  type text not null,
  licences text[] not null,
  constraint component_pkey PRIMARY KEY (fleet, attachment, seq),
  constraint component_fleet_attachment_fkey FOREIGN KEY (fleet, attachment) REFERENCES releases.attachment(fleet, id) ON DELETE CASCADE
);
create table releases.provenance_key (
  fleet text not null,
  keyid text not null,
  name text not null,
  public_key_pem text not null,
  created_at timestamp with time zone not null,
  revoked_at timestamp with time zone,
  constraint provenance_key_pkey PRIMARY KEY (fleet, keyid),
  constraint provenance_key_keyid_check CHECK ((keyid ~ '^[0-9a-f]{64}$'::text))
);
create table releases.release (
  fleet text not null,
  id text not null,
  name text not null,
  version text not null,
  models text[] not null,
  sha256 text not null,
  size bigint not null,
  envelope json not null,
  signed_by text[] not null,
  notes text not null,
  created_at timestamp with time zone not null,
  retired_at timestamp with time zone,
  channel text not null default 'stable'::text,
  used_at timestamp with time zone,
  retired_by text,
  retired_because text,
  constraint release_pkey PRIMARY KEY (fleet, id),
  constraint release_channel_check CHECK ((channel = ANY (ARRAY['stable'::text, 'beta'::text, 'dev'::text]))),
  constraint release_fleet_name_version_key UNIQUE (fleet, name, version),
  constraint release_fleet_sha256_fkey FOREIGN KEY (fleet, sha256) REFERENCES releases.artifact(fleet, sha256)
);
create table releases.signing_key (
  fleet text not null,
  keyid text not null,
  name text not null,
  public_key_pem text not null,
  created_at timestamp with time zone not null,
  revoked_at timestamp with time zone,
  constraint signing_key_pkey PRIMARY KEY (fleet, keyid),
  constraint signing_key_keyid_check CHECK ((keyid ~ '^[0-9a-f]{64}$'::text))
);
create table releases.upload (
  fleet text not null,
  id text not null,
  actor text not null,
  sha256 text not null,
  size bigint not null,
  received bigint not null default 0,
  created_at timestamp with time zone not null,
  expires_at timestamp with time zone not null,
  completed_at timestamp with time zone,
  constraint upload_pkey PRIMARY KEY (id),
  constraint upload_check CHECK (((received >= 0) AND (received <= size))),
  constraint upload_sha256_check CHECK ((sha256 ~ '^[0-9a-f]{64}$'::text)),
  constraint upload_size_check CHECK ((size > 0))
);
create table releases.upload_part (
  upload text not null,
  at bigint not null,
  sha256 text not null,
  size bigint not null,
  stored_at timestamp with time zone,
  constraint upload_part_pkey PRIMARY KEY (upload, at, sha256),
  constraint upload_part_sha256_check CHECK ((sha256 ~ '^[0-9a-f]{64}$'::text)),
  constraint upload_part_size_check CHECK ((size > 0)),
  constraint upload_part_upload_fkey FOREIGN KEY (upload) REFERENCES releases.upload(id) ON DELETE CASCADE
);
create table rollouts.approval (
  fleet text not null,
  rollout text not null,
  actor text not null,
  actor_name text not null,
  plan_hash text not null,
  at timestamp with time zone not null,
  comment text,
  constraint approval_pkey PRIMARY KEY (fleet, rollout, actor, plan_hash)
);
create table rollouts.comparison (
  fleet text not null,
  rollout text not null,
  guard text not null,
  deployment text not null,
  at timestamp with time zone not null,
  value double precision not null,
  control_values double precision[] not null,
  worse integer not null,
  equal integer not null,
  constraint comparison_pkey PRIMARY KEY (fleet, rollout, guard, deployment)
);
create table rollouts.ddi_action (
  fleet text not null,
  device text not null,
  action integer not null,
  deployment text not null,
  opened_at timestamp with time zone not null,
  read_at timestamp with time zone,
  fetched_start integer,
  closed_at timestamp with time zone,
  closed_as text,
  cancel_refused_at timestamp with time zone,
  statuses integer not null default 0,
  messages text[] not null default '{}'::text[],
  fetched_boot text,
  fetched_at timestamp with time zone,
  constraint ddi_action_pkey PRIMARY KEY (action),
  constraint ddi_action_closed_as_check CHECK ((closed_as = ANY (ARRAY['installed'::text, 'failed'::text, 'cancelled'::text, 'runs'::text]))),
  constraint ddi_action_fleet_deployment_key UNIQUE (fleet, deployment)
);
create table rollouts.ddi_device (
  fleet text not null,
  device text not null,
  attributes jsonb not null default '{}'::jsonb,
  told_at timestamp with time zone,
  asked_at timestamp with time zone,
  starts integer not null default 0,
  boot_id text,
  version text,
  constraint ddi_device_pkey PRIMARY KEY (fleet, device)
);
create table rollouts.ddi_digest (
  sha256 text not null,
  sha1 text not null,
  md5 text not null,
  suffix text not null,
  constraint ddi_digest_pkey PRIMARY KEY (sha256)
);
create table rollouts.decision (
  fleet text not null,
  rollout text not null,
  seq bigint not null generated always as identity,
  at timestamp with time zone not null,
  decision text not null,
  because text not null,
  stage integer,
  evidence jsonb,
  constraint decision_pkey PRIMARY KEY (fleet, rollout, seq)
);
create table rollouts.deployment (
  fleet text not null,
  id text not null,
  rollout text not null,
  device text not null,
  rollback boolean not null,
  attempt integer not null default 1,
  stage integer not null,
  place integer not null,
  release text,
  version text not null,
  sha256 text not null,
  state text not null,
  reason text,
  detail text,
  progress real,
  log text[] not null default '{}'::text[],
  online_at_offer boolean,
  boot_id text,
  previous_version text,
  previous_hash text,
  previous_release text,
  offered_at timestamp with time zone,
  accepted_at timestamp with time zone,
  rebooting_at timestamp with time zone,
  verified_at timestamp with time zone,
  returned_at timestamp with time zone,
  returned_with text,
  deadline_at timestamp with time zone,
  sent_at timestamp with time zone,
  ended_at timestamp with time zone,
  updated_at timestamp with time zone not null,
  in_flight boolean not null generated always as ((state = ANY (ARRAY['offered'::text, 'downloading'::text, 'downloaded'::text, 'verified'::text, 'installing'::text, 'rebooting'::text, 'validating'::text]))) stored,
  stratum text not null default ''::text,
  delay_ms integer not null default 0,
  retried boolean not null default false,
  look_again_at timestamp with time zone not null default '1970-01-01 00:00:00+00'::timestamp with time zone,
  blocked text,
  blocked_because text,
  blocked_until timestamp with time zone,
  boots text[] not null default '{}'::text[],
  seq bigint,
  numbered boolean not null default false,
  seq_floor bigint,
  held_because text,
  waiting boolean not null generated always as ((state = 'queued'::text)) stored,
  returned_boot text,
  final_at timestamp with time zone,
  downloaded_at timestamp with time zone,
  installing_at timestamp with time zone,
  ahead boolean not null default false,
  awaits_window boolean not null default false,
  go_at timestamp with time zone,
  go_until timestamp with time zone,
  watched boolean not null generated always as (((state = ANY (ARRAY['offered'::text, 'downloading'::text, 'downloaded'::text, 'verified'::text, 'installing'::text, 'rebooting'::text, 'validating'::text])) OR (((state = ANY (ARRAY['unresponsive'::text, 'failed'::text, 'rolled_back'::text, 'cancelled'::text])) OR ((state = 'skipped'::text) AND (COALESCE(reason, ''::text) = 'silent_after_offer'::text))) AND (offered_at IS NOT NULL) AND (COALESCE(returned_with, ''::text) <> 'new'::text)))) stored,
  constraint deployment_pkey PRIMARY KEY (fleet, id),
  constraint deployment_fleet_rollout_device_rollback_attempt_key UNIQUE (fleet, rollout, device, rollback, attempt),
  constraint deployment_returned_with_check CHECK ((returned_with = ANY (ARRAY['new'::text, 'old'::text]))),
  constraint deployment_state_check CHECK ((state = ANY (ARRAY['queued'::text, 'offered'::text, 'downloading'::text, 'downloaded'::text, 'verified'::text, 'installing'::text, 'rebooting'::text, 'validating'::text, 'succeeded'::text, 'failed'::text, 'rolled_back'::text, 'unresponsive'::text, 'skipped'::text, 'cancelled'::text])))
) with (fillfactor=75);
create table rollouts."freeze" (
  fleet text not null,
  id text not null,
  from_at timestamp with time zone not null,
  to_at timestamp with time zone not null,
  reason text not null,
  created_by text not null,
  created_at timestamp with time zone not null,
  removed_at timestamp with time zone,
  constraint freeze_pkey PRIMARY KEY (fleet, id),
  constraint freeze_check CHECK ((to_at > from_at))
);
create table rollouts.matched_set (
  fleet text not null,
  rollout text not null,
  deployment text not null,
  stage integer not null,
  stratum text not null,
  until_at timestamp with time zone not null,
  judged_at timestamp with time zone,
  constraint matched_set_pkey PRIMARY KEY (fleet, rollout, deployment)
);
create table rollouts.named_plan (
  fleet text not null,
  name text not null,
  note text not null,
  plan jsonb not null,
  updated_by text not null,
  updated_at timestamp with time zone not null,
  constraint named_plan_pkey PRIMARY KEY (fleet, name)
);
create table rollouts.pass (
  fleet text not null,
  rollout text not null,
  seq bigint not null generated always as identity,
  at timestamp with time zone not null,
  saw jsonb not null,
  steps jsonb not null,
  constraint pass_pkey PRIMARY KEY (fleet, rollout, seq)
);
create table rollouts.pin (
  fleet text not null,
  id text not null,
  filter text not null,
  version text,
  reason text not null,
  expires_at timestamp with time zone,
  created_by text not null,
  created_at timestamp with time zone not null,
  lifted_at timestamp with time zone,
  lifted_by text,
  constraint pin_pkey PRIMARY KEY (fleet, id)
);
create table rollouts.policy (
  fleet text not null,
  document jsonb not null,
  updated_by text not null,
  updated_at timestamp with time zone not null,
  constraint policy_pkey PRIMARY KEY (fleet)
);
create table rollouts.rollout (
  fleet text not null,
  id text not null,
  release text not null,
  release_name text not null,
  release_version text not null,
  release_sha256 text not null,
  plan jsonb not null,
  phase text not null,
  because text not null,
  since timestamp with time zone not null,
  targets integer not null,
  stage integer not null default 0,
  waived_stage integer,
  halted_at timestamp with time zone,
  halted_because text,
  created_by text not null,
  created_at timestamp with time zone not null,
  ended_at timestamp with time zone,
  look_at timestamp with time zone not null,
  idempotency_key text,
  author text not null default ''::text,
  weight integer not null default 100,
  approvals_needed integer not null default 0,
  freeze_override text,
  joined_at timestamp with time zone,
  constraint rollout_pkey PRIMARY KEY (fleet, id),
  constraint rollout_fleet_idempotency_key_key UNIQUE (fleet, idempotency_key),
  constraint rollout_phase_check CHECK ((phase = ANY (ARRAY['awaiting_approval'::text, 'running'::text, 'paused'::text, 'halted'::text, 'rolling_back'::text, 'rolled_back'::text, 'completed'::text, 'cancelled'::text])))
);
create table rollouts.stage (
  fleet text not null,
  rollout text not null,
  index integer not null,
  share double precision not null,
  devices integer not null,
  state text not null,
  started_at timestamp with time zone,
  passed_at timestamp with time zone,
  constraint stage_pkey PRIMARY KEY (fleet, rollout, index),
  constraint stage_fleet_rollout_fkey FOREIGN KEY (fleet, rollout) REFERENCES rollouts.rollout(fleet, id),
  constraint stage_state_check CHECK ((state = ANY (ARRAY['waiting'::text, 'running'::text, 'soaking'::text, 'passed'::text, 'halted'::text])))
);
create table rollouts.tally (
  fleet text not null,
  rollout text not null,
  rollback boolean not null,
  stage integer not null,
  stratum text not null,
  state text not null,
  devices integer not null,
  last_verified_at timestamp with time zone,
  constraint tally_pkey PRIMARY KEY (fleet, rollout, rollback, stage, stratum, state)
) with (fillfactor=70);
create table rollouts.watched_device (
  fleet text not null,
  rollout text not null,
  device text not null,
  deployment text not null,
  exposed boolean not null,
  from_at timestamp with time zone not null,
  settled_at timestamp with time zone not null,
  until_at timestamp with time zone not null,
  seen jsonb not null,
  closed boolean not null default false,
  constraint watched_device_pkey PRIMARY KEY (fleet, rollout, device)
);
create table telemetry.dead_letter (
  token text not null,
  consumer text not null,
  fleet text not null,
  device text not null,
  channel text not null,
  topic_id text,
  transport text not null,
  received_at timestamp with time zone not null,
  payload bytea not null,
  payload_sha256 text not null,
  because text not null,
  put_aside_at timestamp with time zone not null,
  id text generated always as (('dead_'::text || md5(((((((((token || ' '::text) || consumer) || ' '::text) || device) || ' '::text) || payload_sha256) || ' '::text) || (EXTRACT(epoch FROM (received_at AT TIME ZONE 'UTC'::text)))::text)))) stored,
  constraint dead_letter_pkey PRIMARY KEY (token, consumer, device, received_at, payload_sha256)
);
create table telemetry.deletion (
  id text not null,
  fleet text not null,
  class text not null,
  before timestamp with time zone not null,
  reason text not null,
  actor jsonb not null,
  planned_at timestamp with time zone not null,
  plan jsonb not null,
  finished_at timestamp with time zone,
  sha256 text,
  constraint deletion_pkey PRIMARY KEY (id)
);
create table telemetry.hold (
  id text not null,
  fleet text not null,
  kind text not null,
  reason text not null,
  devices text[] not null,
  from_at timestamp with time zone not null,
  until_at timestamp with time zone not null,
  created_at timestamp with time zone not null,
  created_by jsonb not null,
  released_at timestamp with time zone,
  released_by jsonb,
  release_reason text,
  constraint hold_pkey PRIMARY KEY (id),
  constraint hold_check CHECK ((until_at > from_at)),
  constraint hold_devices_check CHECK ((cardinality(devices) > 0)),
  constraint hold_kind_check CHECK ((kind = ANY (ARRAY['legal'::text, 'incident'::text])))
);
create table telemetry.lag_minute (
  fleet text not null,
  minute timestamp with time zone not null,
  n bigint not null,
  lag jsonb not null,
  platform_lag jsonb not null,
  constraint lag_minute_pkey PRIMARY KEY (fleet, minute)
);
create table telemetry.metric (
  fleet text not null,
  device text not null,
  metric text not null,
  first_at timestamp with time zone not null,
  constraint metric_pkey PRIMARY KEY (fleet, device, metric)
);
create table telemetry.retention_policy (
  fleet text not null,
  keep_days jsonb not null,
  changed_at timestamp with time zone not null,
  changed_by jsonb not null,
  constraint retention_policy_pkey PRIMARY KEY (fleet)
);
create table telemetry.rollup_due (
  hour timestamp with time zone not null,
  device text not null,
  generation bigint not null default 1,
  constraint rollup_due_pkey PRIMARY KEY (hour, device)
);
create table telemetry.sequence (
  fleet text not null,
  device text not null,
  boot text not null,
  ranges jsonb not null,
  used_at timestamp with time zone not null,
  constraint sequence_pkey PRIMARY KEY (fleet, device, boot)
);
create table telemetry.sifted (
  journal text not null,
  token text not null,
  repeated jsonb not null,
  constraint sifted_pkey PRIMARY KEY (journal)
);
create table tuf.director_set (
  fleet text not null,
  device text not null,
  subject text not null,
  version bigint not null,
  targets text not null,
  snapshot text not null,
  "timestamp" text not null,
  expires_at timestamp with time zone not null,
  constraint director_set_pkey PRIMARY KEY (fleet, device)
);
create table tuf.file (
  fleet text not null,
  repository text not null,
  name text not null,
  role text not null,
  version bigint not null,
  metadata text not null,
  expires_at timestamp with time zone not null,
  created_at timestamp with time zone not null,
  constraint file_pkey PRIMARY KEY (fleet, repository, name),
  constraint file_repository_check CHECK ((repository = ANY (ARRAY['image'::text, 'director'::text]))),
  constraint file_version_check CHECK ((version > 0))
);
create table tuf.target (
  fleet text not null,
  role text not null,
  path text not null,
  size bigint not null,
  sha256 text not null,
  release_counter bigint not null,
  statement text not null,
  hardware_ids text[] not null default '{}'::text[],
  constraint target_pkey PRIMARY KEY (fleet, role, path)
);

create view monitoring.platform_impaired as
 SELECT unnest((tstzmultirange(tstzrange(min(alive_from), max(alive_until))) - range_agg(tstzrange(alive_from, alive_until)))) AS during
   FROM monitoring.platform_alive
 HAVING (count(*) > 0);
create view registry.expected_time as
 SELECT fleet,
    device,
    tstzrange(GREATEST(began, first_contact_at), ended) AS during,
    excluded
   FROM ( SELECT c.fleet,
            c.device,
            c.lifecycle,
            c.at AS began,
            lead(c.at) OVER (PARTITION BY c.fleet, c.device ORDER BY c.seq) AS ended,
            d.first_contact_at,
            (d.tags @> '{"kpi": "exclude"}'::jsonb) AS excluded
           FROM (registry.lifecycle_change c
             JOIN registry.device d ON ((d.id = c.device)))) stretch
  WHERE ((lifecycle = 'active'::text) AND (first_contact_at IS NOT NULL) AND ((ended IS NULL) OR (ended > GREATEST(began, first_contact_at))));
create view registry.reachable_time as
 SELECT contact_span.fleet,
    contact_span.device,
    tstzrange(contact_span.reach_from, contact_span.reach_until) AS during
   FROM registry.contact_span
UNION ALL
 SELECT device.fleet,
    device.id AS device,
    tstzrange(device.reach_from, device.reach_until) AS during
   FROM registry.device
  WHERE (device.reach_from IS NOT NULL);
create view releases.published as
 SELECT fleet,
    id,
    name,
    version,
    sha256,
    created_at,
    retired_at
   FROM releases.release;

create sequence rollouts.ddi_action_number;

CREATE INDEX audit_entry_by_action ON access.audit_entry USING btree (action, seq DESC);
CREATE INDEX audit_entry_by_subject ON access.audit_entry USING btree (subject_id, seq DESC);
CREATE INDEX exchanged_token_age ON access.exchanged_token USING btree (expires_at);
CREATE INDEX oidc_trust_by_issuer ON access.oidc_trust USING btree (issuer) WHERE (revoked_at IS NULL);
CREATE UNIQUE INDEX one_live_built_in_account ON access.service_account USING btree (built_in) WHERE (built_in AND (revoked_at IS NULL));
CREATE UNIQUE INDEX one_live_trust_of_a_name ON access.oidc_trust USING btree (fleet, name) WHERE (revoked_at IS NULL);
CREATE INDEX session_by_person ON access.session USING btree (person);
CREATE INDEX spent_assertion_age ON access.spent_assertion USING btree (expires_at);
CREATE INDEX command_due ON commands.command USING btree (look_at) WHERE (ended_at IS NULL);
CREATE INDEX command_of_batch ON commands.command USING btree (fleet, batch, id);
CREATE INDEX command_of_device ON commands.command USING btree (fleet, device, id);
CREATE INDEX command_pending ON commands.command USING btree (fleet, device, id) WHERE (ended_at IS NULL);
CREATE INDEX desired_due ON commands.desired USING btree (look_at) WHERE (look_at IS NOT NULL);
CREATE INDEX crash_by_bytes ON crashes.crash USING btree (sha256) WHERE (removed_at IS NULL);
CREATE INDEX crash_due ON crashes.crash USING btree (keep_until) WHERE ((removed_at IS NULL) AND (keep_until IS NOT NULL));
CREATE INDEX crash_of_device ON crashes.crash USING btree (fleet, device, received_at DESC);
CREATE INDEX crash_of_rollout ON crashes.crash USING btree (fleet, rollout, signature) WHERE (rollout IS NOT NULL);
CREATE INDEX attempt_fleet_id_idx ON enrollment.attempt USING btree (fleet, id DESC);
CREATE INDEX attempt_fleet_serial_id_idx ON enrollment.attempt USING btree (fleet, serial, id DESC);
CREATE INDEX attempt_unsealed ON enrollment.attempt USING btree (fleet, id) WHERE (NOT sealed);
CREATE INDEX certificate_fleet_device_id_idx ON enrollment.certificate USING btree (fleet, device, id DESC);
CREATE INDEX certificate_fleet_id_idx ON enrollment.certificate USING btree (fleet, id DESC);
CREATE INDEX certificate_identity_request_hash_idx ON enrollment.certificate USING btree (identity, request_hash);
CREATE INDEX certificate_issuer_revoked_at_idx ON enrollment.certificate USING btree (issuer, revoked_at) WHERE (state = 'revoked'::text);
CREATE INDEX certificate_key_fingerprint_idx ON enrollment.certificate USING btree (key_fingerprint);
CREATE INDEX manifest_fleet_id_idx ON enrollment.manifest USING btree (fleet, id DESC);
CREATE INDEX manifest_key_anchor_idx ON enrollment.manifest_key USING btree (anchor);
CREATE INDEX one_time_code_fleet_serial_id_idx ON enrollment.one_time_code USING btree (fleet, serial, id DESC);
CREATE INDEX pending_fleet_state_first_seen_at_idx ON enrollment.pending USING btree (fleet, state, first_seen_at);
CREATE INDEX attestation_device ON identity.attestation USING btree (fleet, device, id DESC);
CREATE INDEX attestation_ek ON identity.attestation USING btree (ek_fingerprint, id DESC) WHERE ((verdict = 'passed'::text) AND (forgotten_at IS NULL));
CREATE INDEX authority_rotation_idx ON identity.authority USING btree (rotation);
CREATE INDEX clone_evidence_device ON identity.clone_evidence USING btree (fleet, device, id DESC);
CREATE UNIQUE INDEX rotation_open ON identity.rotation USING btree ((true)) WHERE (ended_at IS NULL);
CREATE INDEX signing_open ON identity.signing USING btree (asked_at) WHERE ((signature IS NULL) AND (refused IS NULL));
CREATE INDEX transfer_fleet_device_id_idx ON identity.transfer USING btree (fleet, device, id DESC);
CREATE UNIQUE INDEX transfer_voucher_idx ON identity.transfer USING btree (voucher) WHERE (kind = 'in'::text);
CREATE INDEX idempotency_key_age ON kernel.idempotency_key USING btree (claimed_at);
CREATE INDEX alert_devices ON monitoring.alert USING gin (devices);
CREATE UNIQUE INDEX alert_open ON monitoring.alert USING btree (fleet, rule, subject_kind, subject_id) WHERE (state = 'firing'::text);
CREATE INDEX alert_page ON monitoring.alert USING btree (fleet, state, id DESC);
CREATE INDEX platform_alive_until ON monitoring.platform_alive USING btree (alive_until);
CREATE INDEX contact_span_during ON registry.contact_span USING gist (tstzrange(reach_from, reach_until));
CREATE INDEX device_firmware_since ON registry.device USING btree (fleet, fw_since);
CREATE INDEX device_page ON registry.device USING btree (fleet, id);
CREATE INDEX device_tags ON registry.device USING gin (tags jsonb_path_ops) WITH (fastupdate=off);
CREATE INDEX device_updated ON registry.device USING btree (fleet, updated_at);
CREATE INDEX group_member_device ON registry.group_member USING btree (device);
CREATE INDEX lifecycle_change_device ON registry.lifecycle_change USING btree (device, at, seq);
CREATE INDEX artifact_by_check ON releases.artifact USING btree (checked_at NULLS FIRST);
CREATE INDEX component_by_name ON releases.component USING btree (fleet, name_key, version_key);
CREATE INDEX component_by_purl ON releases.component USING btree (fleet, purl text_pattern_ops) WHERE (purl IS NOT NULL);
CREATE UNIQUE INDEX one_open_upload ON releases.upload USING btree (fleet, actor, sha256) WHERE (completed_at IS NULL);
CREATE INDEX release_by_artifact ON releases.release USING btree (fleet, sha256);
CREATE INDEX release_by_channel ON releases.release USING btree (fleet, channel, id);
CREATE INDEX release_by_version ON releases.release USING btree (fleet, version);
CREATE INDEX upload_expiry ON releases.upload USING btree (expires_at);
CREATE INDEX ddi_action_of_device ON rollouts.ddi_action USING btree (fleet, device, action DESC);
CREATE INDEX deployment_ahead ON rollouts.deployment USING btree (fleet, rollout, look_again_at, place) WHERE (in_flight AND ahead);
CREATE INDEX deployment_awaits_window ON rollouts.deployment USING btree (fleet, rollout) WHERE (in_flight AND awaits_window);
CREATE INDEX deployment_deadline ON rollouts.deployment USING btree (fleet, rollout, deadline_at) WHERE in_flight;
CREATE INDEX deployment_held ON rollouts.deployment USING btree (fleet, rollout) WHERE (held_because IS NOT NULL);
CREATE INDEX deployment_let ON rollouts.deployment USING btree (fleet, rollout, go_at) WHERE (go_at IS NOT NULL);
CREATE INDEX deployment_of_device ON rollouts.deployment USING btree (fleet, device, id);
CREATE INDEX deployment_offered ON rollouts.deployment USING btree (fleet, rollout, offered_at) WHERE (offered_at IS NOT NULL);
CREATE INDEX deployment_offered_before ON rollouts.deployment USING btree (fleet, device, offered_at) WHERE (offered_at IS NOT NULL);
CREATE UNIQUE INDEX deployment_one_in_flight ON rollouts.deployment USING btree (fleet, device) WHERE in_flight;
CREATE INDEX deployment_untold ON rollouts.deployment USING btree (fleet, rollout, place) WHERE in_flight;
CREATE INDEX deployment_waiting ON rollouts.deployment USING btree (fleet, rollout, rollback, stage, look_again_at, place) WHERE waiting;
CREATE INDEX deployment_watched ON rollouts.deployment USING btree (fleet, device) WHERE watched;
CREATE INDEX matched_set_due ON rollouts.matched_set USING btree (fleet, rollout, until_at) WHERE (judged_at IS NULL);
CREATE INDEX rollout_due ON rollouts.rollout USING btree (look_at) WHERE (ended_at IS NULL);
CREATE INDEX watched_device_of_set ON rollouts.watched_device USING btree (fleet, rollout, deployment);
CREATE INDEX watched_device_open ON rollouts.watched_device USING btree (fleet, device) WHERE (NOT closed);
CREATE INDEX dead_letter_device ON telemetry.dead_letter USING btree (fleet, device, put_aside_at);
CREATE UNIQUE INDEX dead_letter_id ON telemetry.dead_letter USING btree (id);
CREATE INDEX deletion_newest ON telemetry.deletion USING btree (fleet, planned_at DESC);
CREATE UNIQUE INDEX deletion_under_way ON telemetry.deletion USING btree (fleet, class) WHERE (finished_at IS NULL);
CREATE INDEX hold_in_force ON telemetry.hold USING btree (fleet) WHERE (released_at IS NULL);
CREATE INDEX file_by_role ON tuf.file USING btree (fleet, repository, role, version DESC);
CREATE INDEX target_by_path ON tuf.target USING btree (fleet, path);

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON access.audit_entry FOR EACH ROW EXECUTE FUNCTION kernel.refuse_change();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON access.audit_entry FOR EACH STATEMENT EXECUTE FUNCTION kernel.refuse_change();
CREATE TRIGGER desired_change_is_append_only BEFORE DELETE OR UPDATE ON commands.desired_change FOR EACH ROW EXECUTE FUNCTION kernel.refuse_change();
CREATE TRIGGER comparison_is_append_only BEFORE DELETE OR UPDATE ON rollouts.comparison FOR EACH ROW EXECUTE FUNCTION kernel.refuse_change();
CREATE TRIGGER decision_is_append_only BEFORE DELETE OR UPDATE ON rollouts.decision FOR EACH ROW EXECUTE FUNCTION kernel.refuse_change();
CREATE TRIGGER deployment_counted AFTER INSERT ON rollouts.deployment REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION rollouts.count_new();
CREATE TRIGGER deployment_counted_again AFTER UPDATE ON rollouts.deployment REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION rollouts.count_moved();
CREATE TRIGGER pass_is_append_only BEFORE DELETE OR UPDATE ON rollouts.pass FOR EACH ROW EXECUTE FUNCTION kernel.refuse_change();
