import { createHash } from "node:crypto";
import { describeError, type Scope } from "@tenfold/base";
import type { Actor, DeadLetter as ApiDeadLetter, UpChannel } from "@tenfold/contracts";
import { sql } from "kysely";
import type { Audit } from "../access/index.ts";
import { type Clock, type Database, isPassing, type Queryable } from "../kernel/index.ts";
import { telemetryProblems } from "./errors.ts";
import { againToken, type DeadLetter, type Intake, type RefusalNote } from "./intake.shell.ts";

type Keeping = { db: Database; clock: Clock; onRefused(note: RefusalNote): void };

/** Keeps what was acknowledged and cannot be applied, once, however often it is put aside, and tells it on the device's page. */
export const keepDeadLetters =
  ({ db, clock, onRefused }: Keeping) =>
  async ({ message, consumer, token, because }: DeadLetter): Promise<void> => {
    await sql`
      insert into telemetry.dead_letter (token, consumer, fleet, device, channel, topic_id, transport, received_at, payload, payload_sha256, because, put_aside_at)
      values (${token}, ${consumer}, ${message.scope.fleet}, ${message.device}, ${message.channel}, ${message.id ?? null}, ${message.transport},
        ${new Date(message.receivedAt)}, ${message.payload}, ${createHash("sha256").update(message.payload).digest("hex")}, ${because.replaceAll("\0", "")}, ${new Date(clock.now())})
      on conflict do nothing`.execute(db);
    const { device, scope, receivedAt: at } = message;
    onRefused({ device, scope, at, because: "put_aside", detail: because });
  };

type Row = {
  id: string;
  token: string;
  consumer: string;
  fleet: string;
  device: string;
  channel: UpChannel;
  topic_id: string | null;
  transport: "mqtt" | "https";
  received_at: Date;
  payload: Buffer;
  payload_sha256: string;
  because: string;
  put_aside_at: Date;
};

type Page = { limit: number; before?: string | undefined; device?: string | undefined };

/** Newest first. */
export async function listDeadLetters(on: Queryable, { fleet }: Scope, { limit, before, device }: Page): Promise<ApiDeadLetter[]> {
  const { rows } = await sql<Row>`
    select * from telemetry.dead_letter d where fleet = ${fleet} and (${device ?? null}::text is null or device = ${device ?? null})
      and (${before ?? null}::text is null or (put_aside_at, id) < (select o.put_aside_at, o.id from telemetry.dead_letter o where o.id = ${before ?? null}))
    order by put_aside_at desc, id desc limit ${limit}`.execute(on);
  return rows.map((row) => ({
    id: row.id,
    device: row.device,
    channel: row.channel,
    ...(row.topic_id === null ? {} : { topicId: row.topic_id }),
    transport: row.transport,
    consumer: row.consumer,
    because: row.because,
    receivedAt: row.received_at.toISOString(),
    putAsideAt: row.put_aside_at.toISOString(),
    bytes: row.payload.length,
    payloadSha256: row.payload_sha256,
    payloadBase64: row.payload.toString("base64"),
  }));
}

export type DeadLetterDeps = { db: Database; audit: Audit; intake: Pick<Intake, "applyAgain"> };
type Who = { id: string; actor: Actor };

/**
 * Hands one to the consumer that could not take it, under a token of its own that never changes: asked for twice, or dying in the middle, it is applied
 * once. Only then is it taken out, with its entry in the audit trail. An engine that is away is a 503; any other failure leaves it, with its new reason.
 */
export async function applyDeadLetter(
  { db, audit, intake }: DeadLetterDeps,
  scope: Scope,
  { id, actor }: Who,
): Promise<{ applied: boolean; because?: string }> {
  const row = await findRow(db, scope, id);
  const because = await triedAgain(db, intake, row);
  if (because !== undefined) {
    await sql`update telemetry.dead_letter set because = ${because} where id = ${id}`.execute(db);
    return { applied: false, because };
  }
  await takeOut({ db, audit }, scope, { row, actor, action: "telemetry.dead_letter_applied" });
  return { applied: true };
}

/** Why it fails still; undefined when it is applied. */
async function triedAgain(db: Database, intake: Pick<Intake, "applyAgain">, row: Row): Promise<string | undefined> {
  try {
    await intake.applyAgain(letterOf(row));
  } catch (error) {
    if (isPassing(error)) throw error;
    return describeError(error);
  }
  // A consumer that isolates by itself has put aside what failed, under the token of this attempt. The letter that is here already holds it.
  const { rows } = await sql<{ because: string }>`
    delete from telemetry.dead_letter where fleet = ${row.fleet} and device = ${row.device} and consumer = ${row.consumer}
      and starts_with(token, ${againToken(row.token)}) returning because`.execute(db);
  return rows[0]?.because;
}

export async function discardDeadLetter(
  deps: DeadLetterDeps,
  scope: Scope,
  { id, actor, reason }: Who & { reason: string },
): Promise<void> {
  const row = await findRow(deps.db, scope, id);
  await takeOut(deps, scope, { row, actor, action: "telemetry.dead_letter_discarded", reason });
}

type Out = { row: Row; actor: Actor; action: string; reason?: string };

/** Its bytes go; what it was stays in the audit trail. */
async function takeOut({ db, audit }: Pick<DeadLetterDeps, "db" | "audit">, scope: Scope, { row, actor, action, reason }: Out) {
  await db.transaction().execute(async (tx) => {
    const { numAffectedRows } =
      await sql`delete from telemetry.dead_letter where fleet = ${scope.fleet} and id = ${row.id}`.execute(tx);
    if (numAffectedRows === 0n) return;
    const { consumer, channel, because, payload_sha256: payloadSha256, received_at: receivedAt } = row;
    await audit(tx, scope, {
      actor,
      action,
      subject: { kind: "device", id: row.device },
      detail: {
        id: row.id,
        consumer,
        channel,
        because,
        payloadSha256,
        receivedAt: receivedAt.toISOString(),
        ...(reason ? { reason } : {}),
      },
    });
  });
}

async function findRow(on: Queryable, { fleet }: Scope, id: string): Promise<Row> {
  const { rows } = await sql<Row>`select * from telemetry.dead_letter where fleet = ${fleet} and id = ${id}`.execute(on);
  const [row] = rows;
  if (row === undefined)
    throw telemetryProblems.dead_letter_unknown(`There is no dead letter "${id}".`, {
      fix: "`tenfold telemetry dead-letters` lists them; one that was applied or discarded is gone.",
    });
  return row;
}

const letterOf = (row: Row): DeadLetter => ({
  message: {
    device: row.device,
    scope: { fleet: row.fleet },
    channel: row.channel,
    ...(row.topic_id === null ? {} : { id: row.topic_id }),
    payload: row.payload,
    receivedAt: row.received_at.getTime(),
    transport: row.transport,
  },
  consumer: row.consumer,
  token: row.token,
  because: row.because,
});
