import { createHash } from "node:crypto";
import { sql } from "kysely";
import type { Clock, Database } from "../kernel/index.ts";
import type { DeadLetter } from "./intake.shell.ts";

/** Keeps what was acknowledged and cannot be applied, once, however often it is put aside. */
export const keepDeadLetters =
  ({ db, clock }: { db: Database; clock: Clock }) =>
  async ({ message, consumer, token, because }: DeadLetter): Promise<void> => {
    await sql`
      insert into telemetry.dead_letter (token, consumer, fleet, device, channel, topic_id, transport, received_at, payload, payload_sha256, because, put_aside_at)
      values (${token}, ${consumer}, ${message.scope.fleet}, ${message.device}, ${message.channel}, ${message.id ?? null}, ${message.transport},
        ${new Date(message.receivedAt)}, ${message.payload}, ${createHash("sha256").update(message.payload).digest("hex")}, ${because.replaceAll("\0", "")}, ${new Date(clock.now())})
      on conflict do nothing`.execute(db);
  };
