import type { Json, Scope } from "@tenfold/base";
import type { CommandResult, CommandState } from "@tenfold/contracts";
import { sql } from "kysely";
import type { Queryable, Transaction } from "../kernel/index.ts";
import type { Command } from "./command.ts";
import type { Pending } from "./plan.ts";

type Row = {
  id: string;
  batch: string;
  device: string;
  name: string;
  args: Command["args"];
  state: CommandState;
  reason: string;
  given_by: string;
  created_at: Date;
  deadline_at: Date;
  attempts: number;
  sent_at: Date | null;
  delivered_at: Date | null;
  ended_at: Date | null;
  cancelled_because: string | null;
  result_status: CommandResult["status"] | null;
  result_code: string | null;
  result_detail: string | null;
  result_output: Json | null;
  has_output: boolean;
  result_at: Date | null;
};

const columns = sql.raw(
  "id, batch, device, name, args, state, reason, given_by, created_at, deadline_at, attempts, sent_at, delivered_at, ended_at, cancelled_because, result_status, result_code, result_detail, result_output, result_output is not null as has_output, result_at",
);

const commandOf = (row: Row): Command => ({
  id: row.id,
  batch: row.batch,
  device: row.device,
  name: row.name,
  args: row.args,
  state: row.state,
  reason: row.reason,
  givenBy: row.given_by,
  createdAt: row.created_at.getTime(),
  deadlineAt: row.deadline_at.getTime(),
  attempts: row.attempts,
  ...(row.sent_at === null ? {} : { sentAt: row.sent_at.getTime() }),
  ...(row.delivered_at === null ? {} : { deliveredAt: row.delivered_at.getTime() }),
  ...(row.ended_at === null ? {} : { endedAt: row.ended_at.getTime() }),
  ...(row.cancelled_because === null ? {} : { cancelledBecause: row.cancelled_because }),
  ...resultOf(row),
});

function resultOf(row: Row): Pick<Command, "result"> {
  if (row.result_status === null || row.result_at === null) return {};
  return {
    result: {
      status: row.result_status,
      at: row.result_at.getTime(),
      ...(row.result_code === null ? {} : { code: row.result_code }),
      ...(row.result_detail === null ? {} : { detail: row.result_detail }),
      ...(row.has_output ? { output: row.result_output as NonNullable<CommandResult["output"]> } : {}), // what z.json() read
    },
  };
}

export type NewBatch = Pick<Command, "batch" | "name" | "args" | "reason" | "givenBy" | "createdAt" | "deadlineAt"> & {
  places: { id: string; device: string }[];
};

/** One row a device. */
export async function insertBatch(tx: Transaction, scope: Scope, one: NewBatch): Promise<void> {
  const [created, deadline] = [new Date(one.createdAt), new Date(one.deadlineAt)];
  await sql`
    insert into commands.command (fleet, id, batch, device, name, args, state, reason, given_by, created_at, deadline_at, look_at)
    select ${scope.fleet}, p.id, ${one.batch}, p.device, ${one.name}, ${JSON.stringify(one.args)}::jsonb, 'queued', ${one.reason}, ${one.givenBy},
      ${created}::timestamptz, ${deadline}::timestamptz, ${created}::timestamptz
    from unnest(${one.places.map(({ id }) => id)}::text[], ${one.places.map(({ device }) => device)}::text[]) as p (id, device)`.execute(
    tx,
  );
}

export async function readCommand(on: Queryable, scope: Scope, id: string): Promise<Command | undefined> {
  const { rows } = await sql<Row>`select ${columns} from commands.command where fleet = ${scope.fleet} and id = ${id}`.execute(on);
  return rows[0] && commandOf(rows[0]);
}

export async function lockCommand(tx: Transaction, scope: Scope, id: string): Promise<Command | undefined> {
  const { rows } =
    await sql<Row>`select ${columns} from commands.command where fleet = ${scope.fleet} and id = ${id} for update`.execute(tx);
  return rows[0] && commandOf(rows[0]);
}

export type CommandQuestion = {
  device?: string | undefined;
  batch?: string | undefined;
  state?: CommandState | undefined;
  /** An id: older ones only. */
  before?: string | undefined;
  limit: number;
};

/** Newest first. */
export async function listCommands(on: Queryable, scope: Scope, question: CommandQuestion): Promise<Command[]> {
  const { device, batch, state, before, limit } = question;
  const given = [
    sql`fleet = ${scope.fleet}`,
    ...(device === undefined ? [] : [sql`device = ${device}`]),
    ...(batch === undefined ? [] : [sql`batch = ${batch}`]),
    ...(state === undefined ? [] : [sql`state = ${state}`]),
    ...(before === undefined ? [] : [sql`id < ${before}`]),
  ];
  const { rows } =
    await sql<Row>`select ${columns} from commands.command where ${sql.join(given, sql` and `)} order by id desc limit ${limit}`.execute(
      on,
    );
  return rows.map(commandOf);
}

/** How many commands wait for each of the devices; those for whom none waits are left out. */
export async function countPending(on: Queryable, scope: Scope, devices: readonly string[]): Promise<Map<string, number>> {
  const { rows } = await sql<{ device: string; waiting: number }>`
    select device, count(*)::int as waiting from commands.command
    where fleet = ${scope.fleet} and ended_at is null and device = any(${[...devices]}::text[]) group by device`.execute(on);
  return new Map(rows.map(({ device, waiting }) => [device, waiting]));
}

/** What waits for one device, oldest first. */
export async function pendingOf(on: Queryable, scope: Scope, { device, at }: { device: string; at: number }): Promise<Command[]> {
  const { rows } = await sql<Row>`
    select ${columns} from commands.command
    where fleet = ${scope.fleet} and device = ${device} and ended_at is null and deadline_at > ${new Date(at)} order by id limit 100`.execute(
    on,
  );
  return rows.map(commandOf);
}

export async function countBatch(on: Queryable, scope: Scope, batch: string): Promise<Map<CommandState, number>> {
  const { rows } = await sql<{ state: CommandState; n: number }>`
    select state, count(*)::int as n from commands.command where fleet = ${scope.fleet} and batch = ${batch} group by state`.execute(
    on,
  );
  return new Map(rows.map(({ state, n }) => [state, n]));
}

export type Due = Pending & { scope: Scope; name: string; command: Command };

/** What the loop must look at now, locked; rows that somebody else works on are passed over. */
export async function lockDue(tx: Transaction, { at, limit }: { at: number; limit: number }): Promise<Due[]> {
  const { rows } = await sql<Row & { fleet: string }>`
    select fleet, ${columns} from commands.command where ended_at is null and look_at <= ${new Date(at)}
    order by look_at limit ${limit} for update skip locked`.execute(tx);
  return rows.map((row) => {
    const command = commandOf(row);
    // The check in the table: a row without an end has one of the three states of a pending one.
    return { ...command, state: command.state as Pending["state"], scope: { fleet: row.fleet }, command };
  });
}

type Look = { fleet: string; id: string; lookAt: number; attempt: 0 | 1 };

export async function recordLooks(tx: Transaction, looks: readonly Look[]): Promise<void> {
  if (looks.length === 0) return;
  await sql`
    update commands.command c set look_at = l.at, attempts = c.attempts + l.attempt
    from unnest(${looks.map(({ fleet }) => fleet)}::text[], ${looks.map(({ id }) => id)}::text[],
                ${looks.map(({ lookAt }) => new Date(lookAt).toISOString())}::timestamptz[], ${looks.map(({ attempt }) => attempt)}::int[]) as l (fleet, id, at, attempt)
    where c.fleet = l.fleet and c.id = l.id`.execute(tx);
}

export async function recordExpiries(
  tx: Transaction,
  { expired, at }: { expired: readonly { fleet: string; id: string }[]; at: number },
): Promise<void> {
  if (expired.length === 0) return;
  await sql`
    update commands.command c set state = 'expired', ended_at = ${new Date(at)}::timestamptz
    from unnest(${expired.map(({ fleet }) => fleet)}::text[], ${expired.map(({ id }) => id)}::text[]) as e (fleet, id)
    where c.fleet = e.fleet and c.id = e.id`.execute(tx);
}

export type Moved = { fleet: string; id: string; device: string; name: string; state: CommandState };

/** They were put on a connection. Answers those that this changed. */
export async function markSent(
  on: Queryable,
  { sent, at }: { sent: readonly { fleet: string; id: string }[]; at: number },
): Promise<Moved[]> {
  if (sent.length === 0) return [];
  const { rows } = await sql<Moved>`
    update commands.command c set state = 'sent', sent_at = coalesce(c.sent_at, ${new Date(at)}::timestamptz)
    from unnest(${sent.map(({ fleet }) => fleet)}::text[], ${sent.map(({ id }) => id)}::text[]) as s (fleet, id)
    where c.fleet = s.fleet and c.id = s.id and c.state = 'queued' returning c.fleet, c.id, c.device, c.name, c.state`.execute(on);
  return rows;
}

export type Delivery = { scope: Scope; device: string; command: string; at: number };

/** The devices acknowledged them. Idempotent; another device's command changes nothing. */
export async function markDelivered(on: Queryable, deliveries: readonly Delivery[]): Promise<Moved[]> {
  if (deliveries.length === 0) return [];
  const { rows } = await sql<Moved>`
    update commands.command c set delivered_at = coalesce(c.delivered_at, d.at), sent_at = coalesce(c.sent_at, d.at),
      state = case when c.ended_at is null then 'delivered' else c.state end
    from unnest(${deliveries.map(({ scope }) => scope.fleet)}::text[], ${deliveries.map(({ device }) => device)}::text[],
                ${deliveries.map(({ command }) => command)}::text[], ${deliveries.map(({ at }) => new Date(at).toISOString())}::timestamptz[]) as d (fleet, device, id, at)
    where c.fleet = d.fleet and c.id = d.id and c.device = d.device and c.delivered_at is null
    returning c.fleet, c.id, c.device, c.name, c.state`.execute(on);
  return rows;
}

export type ObservedResult = { scope: Scope; device: string; command: string; result: CommandResult; at: number };

/**
 * The first result of a command stands; later ones change nothing. One that was here in time counts even where the loop was faster to give the
 * command up; one that was not is kept beside the outcome.
 */
export async function recordResults(on: Queryable, results: readonly ObservedResult[]): Promise<Moved[]> {
  if (results.length === 0) return [];
  const { rows } = await sql<Moved>`
    update commands.command c set result_status = r.status, result_code = r.code, result_detail = r.detail, result_output = r.output, result_at = r.at,
      sent_at = coalesce(c.sent_at, r.at), delivered_at = coalesce(c.delivered_at, r.at),
      state = case when c.state = 'cancelled' then c.state when r.at <= c.deadline_at then r.status else 'expired' end,
      ended_at = case when c.state = 'cancelled' then c.ended_at when r.at <= c.deadline_at then r.at else coalesce(c.ended_at, r.at) end
    from unnest(${results.map(({ scope }) => scope.fleet)}::text[], ${results.map(({ device }) => device)}::text[],
                ${results.map(({ command }) => command)}::text[], ${results.map(({ result }) => result.status)}::text[],
                ${results.map(({ result }) => result.code ?? null)}::text[], ${results.map(({ result }) => result.detail ?? null)}::text[],
                ${results.map(({ result }) => (result.output === undefined ? null : JSON.stringify(result.output)))}::jsonb[],
                ${results.map(({ at }) => new Date(at).toISOString())}::timestamptz[]) as r (fleet, device, id, status, code, detail, output, at)
    where c.fleet = r.fleet and c.id = r.id and c.device = r.device and c.result_status is null
    returning c.fleet, c.id, c.device, c.name, c.state`.execute(on);
  return rows;
}

export async function cancelCommand(
  tx: Transaction,
  scope: Scope,
  { id, at, because }: { id: string; at: number; because: string },
): Promise<void> {
  await sql`
    update commands.command set state = 'cancelled', ended_at = ${new Date(at)}, cancelled_because = ${because}
    where fleet = ${scope.fleet} and id = ${id}`.execute(tx);
}
