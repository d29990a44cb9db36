import type { Scope } from "@tenfold/base";
import { documentOf } from "./command.ts";
import type { CommandsDeps } from "./deps.ts";
import { lockUnfollowed, recordTold } from "./desired.shell.ts";
import { planCommand, resendAfter } from "./plan.ts";
import { type Due, lockDue, type Moved, markSent, recordExpiries, recordLooks } from "./store.ts";

/** Rows of one transaction. */
const batchSize = 500;

/** Looks at everything that is due: sends, sends again, gives up. Safe to run twice, late, or on two servers at once. */
export async function reconcileDue(deps: CommandsDeps, signal?: AbortSignal): Promise<void> {
  while (!signal?.aborted && (await reconcileCommands(deps)) === batchSize);
  while (!signal?.aborted && (await reconcileDesired(deps)) === batchSize);
}

async function reconcileCommands(deps: CommandsDeps): Promise<number> {
  const { db, clock } = deps;
  const now = clock.now();
  const { looked, sends, expired } = await db.transaction().execute(async (tx) => {
    const due = await lockDue(tx, { at: now, limit: batchSize });
    const planned = due.map((one) => ({ one, step: planCommand(one, now) }));
    const ends = planned.filter(({ step }) => step.do === "expire").map(({ one }) => one);
    await recordExpiries(tx, { expired: ends.map(({ scope, id }) => ({ fleet: scope.fleet, id })), at: now });
    await recordLooks(
      tx,
      planned.flatMap(({ one: { scope, id }, step }) =>
        step.do === "expire" ? [] : [{ fleet: scope.fleet, id, lookAt: step.lookAt, attempt: step.do === "send" ? 1 : 0 }],
      ),
    );
    return { looked: due.length, sends: planned.filter(({ step }) => step.do === "send").map(({ one }) => one), expired: ends };
  });
  announce(
    deps,
    expired.map(({ scope, id, device, name }) => ({ fleet: scope.fleet, id, device, name, state: "expired" })),
  );
  // The attempt is recorded: what is lost from here on is sent again when it is due, or when the device connects.
  await sendAll(deps, sends);
  return looked;
}

async function sendAll(deps: CommandsDeps, sends: readonly Due[]): Promise<void> {
  const { db, send, clock } = deps;
  const now = clock.now();
  const sent = sends.filter(({ device, command }) =>
    send(device, { topic: `commands/${command.id}`, payload: JSON.stringify(documentOf(command, now)) }),
  );
  announce(deps, await markSent(db, { sent: sent.map(({ scope, id }) => ({ fleet: scope.fleet, id })), at: now }));
}

async function reconcileDesired({ db, refresh, clock }: CommandsDeps): Promise<number> {
  const now = clock.now();
  const unfollowed = await db.transaction().execute(async (tx) => {
    const due = await lockUnfollowed(tx, { at: now, limit: batchSize });
    await recordTold(
      tx,
      due.map(({ fleet, device, attempts }) => ({ fleet, device, lookAt: now + resendAfter(attempts) })),
    );
    return due;
  });
  for (const { device } of unfollowed) refresh(device, "state/desired");
  return unfollowed.length;
}

/** Tells who watches. */
export function announce({ bus }: Pick<CommandsDeps, "bus">, moved: readonly Moved[]): void {
  for (const { fleet, id, device, name, state } of moved)
    bus.publish({ type: "command.changed", subject: device, data: { fleet, command: id, name, state } });
}

export const announceState = ({ bus }: Pick<CommandsDeps, "bus">, scope: Scope, device: string, generation: number): void =>
  bus.publish({ type: "state.changed", subject: device, data: { fleet: scope.fleet, generation } });
