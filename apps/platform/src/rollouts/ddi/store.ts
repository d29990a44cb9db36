import type { Scope } from "@tenfold/base";
import type { DeploymentReason, DeploymentState, RolloutPhase } from "@tenfold/contracts";
import { sql } from "kysely";
import type { Queryable, Transaction } from "../../kernel/index.ts";
import type { Action, Ahead, Current, Teller, Visit } from "./agenda.ts";
import type { Attributes, Starts } from "./attributes.ts";
import { type Digest, isUsableNumber } from "./documents.ts";

export type Device = { scope: Scope; device: string; issuedAt?: number; agent?: string };

type ActionRow = {
  action: number;
  deployment: string;
  release: string;
  version: string;
  sha256: string;
  state: DeploymentState;
  reason: DeploymentReason | null;
  ahead: boolean;
  go_at: Date | null;
  go_until: Date | null;
  ended_at: Date | null;
  read_at: Date | null;
  fetched_start: number | null;
  fetched_boot: string | null;
  fetched_at: Date | null;
  closed_at: Date | null;
  closed_as: string | null;
  cancel_refused_at: Date | null;
  statuses: number;
  messages: string[];
};

const actionColumns = sql.raw(
  `a.action, a.deployment, coalesce(d.release, '') as release, d.version, d.sha256, d.state, d.reason, d.ahead, d.go_at, d.go_until, d.ended_at, a.read_at, a.fetched_start, a.fetched_boot, a.fetched_at, a.closed_at, a.closed_as, a.cancel_refused_at,
   a.statuses, a.messages from rollouts.ddi_action a join rollouts.deployment d on d.fleet = a.fleet and d.id = a.deployment`,
);

const aheadOf = (at: Date | null, until: Date | null): Ahead =>
  at === null ? {} : { go: { at: at.getTime(), ...(until === null ? {} : { until: until.getTime() }) } };

const actionOf = (row: ActionRow): Action => ({
  action: row.action,
  deployment: row.deployment,
  release: row.release,
  version: row.version,
  sha256: row.sha256,
  state: row.state,
  statuses: row.statuses,
  messages: row.messages,
  ...(row.reason === null ? {} : { reason: row.reason }),
  ...(row.ahead ? { ahead: aheadOf(row.go_at, row.go_until) } : {}),
  ...(row.ended_at ? { endedAt: row.ended_at.getTime() } : {}),
  ...(row.read_at ? { readAt: row.read_at.getTime() } : {}),
  ...(row.fetched_start === null ? {} : { fetchedStart: row.fetched_start }),
  ...(row.fetched_boot === null ? {} : { fetchedBoot: row.fetched_boot }),
  ...(row.fetched_at ? { fetchedAt: row.fetched_at.getTime() } : {}),
  ...(row.closed_at ? { closedAt: row.closed_at.getTime() } : {}),
  ...(row.closed_as === null ? {} : { closedAs: row.closed_as }),
  ...(row.cancel_refused_at ? { cancelRefusedAt: row.cancel_refused_at.getTime() } : {}),
});

type VisitRow = Omit<TellerRow, "version"> & {
  told_version: string | null;
  current: string | null;
  rollback: boolean;
  phase: RolloutPhase;
  current_release: string;
  current_version: string;
  current_sha256: string;
  current_ahead: boolean;
  current_go_at: Date | null;
  current_go_until: Date | null;
} & ({ action: null } | ActionRow);

/** Everything that a request depends on, in one round trip: what is in flight, the newest action, what the device told. */
export async function readVisit(on: Queryable, { scope, device, issuedAt, agent }: Device): Promise<Visit> {
  const { rows } = await sql<VisitRow>`
    select c.*, a.*, t.attributes, t.told_at, t.asked_at, coalesce(t.starts, 0) as starts, t.boot_id, t.version as told_version
    from (select ${scope.fleet}::text as fleet, ${device}::text as device) asked
    left join lateral (
      select d.id as current, d.rollback, r.phase, coalesce(d.release, '') as current_release, d.version as current_version,
        d.sha256 as current_sha256, d.ahead as current_ahead, d.go_at as current_go_at, d.go_until as current_go_until
      from rollouts.deployment d join rollouts.rollout r on r.fleet = d.fleet and r.id = d.rollout
      where d.fleet = asked.fleet and d.device = asked.device and d.in_flight
    ) c on true
    left join lateral (
      select ${actionColumns} where a.fleet = asked.fleet and a.device = asked.device order by a.action desc limit 1
    ) a on true
    left join rollouts.ddi_device t on t.fleet = asked.fleet and t.device = asked.device`.execute(on);
  const [row] = rows;
  const visit = row === undefined ? { teller: tellerOf(undefined) } : visitOf(row);
  return { ...visit, ...(issuedAt === undefined ? {} : { issuedAt }), ...(agent === undefined ? {} : { agent }) };
}

function visitOf(row: VisitRow): Visit {
  const current: Current | undefined =
    row.current === null
      ? undefined
      : {
          deployment: row.current,
          rollback: row.rollback,
          phase: row.phase,
          release: row.current_release,
          version: row.current_version,
          sha256: row.current_sha256,
          ...(row.current_ahead ? { ahead: aheadOf(row.current_go_at, row.current_go_until) } : {}),
        };
  return {
    ...(current ? { current } : {}),
    ...(row.action === null ? {} : { action: actionOf(row) }),
    teller: tellerOf({ ...row, version: row.told_version }),
  };
}
/** An action of this device and of no other. */
export async function findAction(on: Queryable, { scope, device }: Device, action: number): Promise<Action | undefined> {
  const { rows } = await sql<ActionRow>`
    select ${actionColumns} where a.fleet = ${scope.fleet} and a.device = ${device} and a.action = ${action}`.execute(on);
  return rows[0] && actionOf(rows[0]);
}

/** The newest action whose release runs on the device. */
export async function installedAction(on: Queryable, { scope, device }: Device): Promise<number | undefined> {
  const { rows } = await sql<{ action: number }>`
    select a.action from rollouts.ddi_action a join rollouts.deployment d on d.fleet = a.fleet and d.id = a.deployment
    where a.fleet = ${scope.fleet} and a.device = ${device} and d.state = 'succeeded' order by a.action desc limit 1`.execute(on);
  return rows[0]?.action;
}

/** Gives a deployment its number. Twice is once. */
export async function openAction(
  on: Queryable,
  { scope, device }: Device,
  { deployment, at }: { deployment: string; at: number },
): Promise<void> {
  const action = await nextNumber(on);
  await sql`
    insert into rollouts.ddi_action (fleet, device, action, deployment, opened_at)
    values (${scope.fleet}, ${device}, ${action}, ${deployment}, ${new Date(at)}) on conflict (fleet, deployment) do nothing`.execute(
    on,
  );
}

async function nextNumber(on: Queryable): Promise<number> {
  for (;;) {
    const { rows } = await sql<{ action: number }>`select nextval('rollouts.ddi_action_number')::int as action`.execute(on);
    const action = rows[0]?.action ?? 0;
    if (isUsableNumber(action)) return action;
  }
}

export async function markRead(on: Queryable, action: number, at: number): Promise<void> {
  await sql`update rollouts.ddi_action set read_at = ${new Date(at)} where action = ${action} and read_at is null`.execute(on);
}

export type Fetch = { starts: number; boot: string | undefined; at: number };

export async function markFetched(on: Queryable, action: number, { starts, boot, at }: Fetch): Promise<void> {
  await sql`update rollouts.ddi_action set fetched_start = ${starts}, fetched_boot = ${boot ?? null}, fetched_at = ${new Date(at)}
    where action = ${action}`.execute(on);
}

/** Closed once; later is never. */
export async function closeAction(on: Queryable, action: number, { as, at }: { as: string; at: number }): Promise<void> {
  await sql`update rollouts.ddi_action set closed_at = ${new Date(at)}, closed_as = ${as} where action = ${action} and closed_at is null`.execute(
    on,
  );
}

export async function refuseCancel(on: Queryable, action: number, at: number): Promise<void> {
  await sql`update rollouts.ddi_action set cancel_refused_at = coalesce(cancel_refused_at, ${new Date(at)}) where action = ${action}`.execute(
    on,
  );
}

/** hawkBit hands out a hundred messages at most. */
const mostMessages = 100;

export async function noteStatus(on: Queryable, action: number, messages: readonly string[]): Promise<void> {
  await sql`
    update rollouts.ddi_action set statuses = statuses + 1, messages = (messages || ${messages}::text[])[greatest(1, cardinality(messages) + ${messages.length} - ${mostMessages - 1}):]
    where action = ${action}`.execute(on);
}

type TellerRow = {
  attributes: Attributes | null;
  told_at: Date | null;
  asked_at: Date | null;
  starts: number;
  boot_id: string | null;
  version: string | null;
};

const tellerOf = (row: TellerRow | undefined): Teller => ({
  attributes: row?.attributes ?? {},
  starts: row?.starts ?? 0,
  ...(row?.told_at ? { toldAt: row.told_at.getTime() } : {}),
  ...(row?.asked_at ? { askedAt: row.asked_at.getTime() } : {}),
  ...(row?.boot_id == null ? {} : { bootId: row.boot_id }),
  ...(row?.version == null ? {} : { version: row.version }),
});

/** What the device told so far, locked for this transaction. */
export async function lockTeller(tx: Transaction, { scope, device }: Device): Promise<Teller> {
  await sql`insert into rollouts.ddi_device (fleet, device) values (${scope.fleet}, ${device}) on conflict do nothing`.execute(tx);
  const { rows } = await sql<TellerRow>`
    select attributes, told_at, asked_at, starts, boot_id, version from rollouts.ddi_device
    where fleet = ${scope.fleet} and device = ${device} for update`.execute(tx);
  return tellerOf(rows[0]);
}

export type Telling = { attributes: Attributes; seen: Starts; at: number };

export async function writeTeller(tx: Transaction, { scope, device }: Device, { attributes, seen, at }: Telling): Promise<void> {
  await sql`
    update rollouts.ddi_device set attributes = ${JSON.stringify(attributes)}::jsonb, told_at = ${new Date(at)}, starts = ${seen.starts},
      boot_id = ${seen.bootId ?? null}, version = ${seen.version ?? null}
    where fleet = ${scope.fleet} and device = ${device}`.execute(tx);
}

/** Keeps the first time of asking since the device last told. */
export async function markAsked(on: Queryable, { scope, device }: Device, at: number): Promise<void> {
  const when = new Date(at);
  await sql`
    insert into rollouts.ddi_device (fleet, device, asked_at) values (${scope.fleet}, ${device}, ${when})
    on conflict (fleet, device) do update set asked_at = ${when}
      where ddi_device.asked_at is null or ddi_device.asked_at < ddi_device.told_at`.execute(on);
}

export async function findDigest(on: Queryable, sha256: string): Promise<Digest | undefined> {
  const { rows } = await sql<Digest>`select sha1, md5, suffix from rollouts.ddi_digest where sha256 = ${sha256}`.execute(on);
  return rows[0];
}

export async function insertDigest(on: Queryable, sha256: string, { sha1, md5, suffix }: Digest): Promise<void> {
  await sql`insert into rollouts.ddi_digest (sha256, sha1, md5, suffix) values (${sha256}, ${sha1}, ${md5}, ${suffix}) on conflict do nothing`.execute(
    on,
  );
}
