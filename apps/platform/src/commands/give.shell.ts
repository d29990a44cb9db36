import { humanDuration, newId, parseDuration, type Scope } from "@tenfold/base";
import type { Actor, commandOperations } from "@tenfold/contracts";
import type { z } from "zod";
import { registryProblems } from "../registry/index.ts";
import { assertStorable, type Command, isFinal } from "./command.ts";
import type { CommandsDeps } from "./deps.ts";
import { commandProblems, unknownCommand } from "./errors.ts";
import { largestArgs, longestDeadline, mostPending, mostTargets, shortestDeadline } from "./limits.ts";
import { announce } from "./reconcile.ts";
import { cancelCommand, countPending, insertBatch, listCommands, lockCommand } from "./store.ts";

export type Who = { scope: Scope; actor: Actor };
export type Wish = z.output<(typeof commandOperations)["giveCommand"]["body"]>;

/** Gives a command: a row for each device, in one transaction with the audit entry. The loop sends. */
export async function giveCommand(
  deps: CommandsDeps,
  { scope, actor }: Who,
  wish: Wish,
): Promise<{ batch: string; devices: number; items: Command[] }> {
  const { db, audit, clock } = deps;
  assertStorable(wish.args, { field: "args", most: largestArgs });
  const deadlineMs = readDeadline(wish.deadline);
  const targets = await targetsOf(deps, scope, wish);
  const now = clock.now();
  const batch = newId("cmb", now);
  const places = targets.map((device) => ({ id: newId("cmd", now), device }));
  const items = await db.transaction().execute(async (tx) => {
    refuseFull(await countPending(tx, scope, targets));
    const { name, args, reason } = wish;
    await insertBatch(tx, scope, {
      batch,
      places,
      name,
      args,
      reason,
      givenBy: actor.name,
      createdAt: now,
      deadlineAt: now + deadlineMs,
    });
    // Arguments may hold what should not be read in a trail; the commands keep them.
    await audit(tx, scope, {
      actor,
      action: "command.given",
      subject: wish.device === undefined ? { kind: "command_batch", id: batch } : { kind: "device", id: wish.device },
      detail: { batch, name, devices: targets.length, filter: wish.filter ?? null, deadline: wish.deadline, reason },
    });
    return listCommands(tx, scope, { batch, limit: 100 });
  });
  announce(
    deps,
    places.map(({ id, device }) => ({ fleet: scope.fleet, id, device, name: wish.name, state: "queued" })),
  );
  return { batch, devices: targets.length, items };
}

function readDeadline(text: string): number {
  const length = parseDuration(text) ?? 0;
  if (length >= shortestDeadline && length <= longestDeadline) return length;
  throw commandProblems.command_deadline_invalid(
    `A deadline of ${text} is not between ${humanDuration(shortestDeadline)} and ${humanDuration(longestDeadline)}.`,
    { field: "deadline", fix: "Give one such as PT5M." },
  );
}

async function targetsOf(deps: CommandsDeps, scope: Scope, { device, filter }: Wish): Promise<string[]> {
  if ((device === undefined) === (filter === undefined))
    throw commandProblems.command_target_invalid("A command needs either a device or a filter.", {
      field: "device",
      fix: "Send one of `device` and `filter`.",
    });
  return filter === undefined ? [await activeDevice(deps, scope, device ?? "")] : activeDevices(deps, scope, filter);
}

async function activeDevice({ registry }: CommandsDeps, scope: Scope, id: string): Promise<string> {
  const found = await registry.get(scope, id);
  if (found === undefined)
    throw registryProblems.device_unknown(`Device "${id}" is not registered.`, {
      fix: "See the devices with: tenfold device list",
    });
  if (found.lifecycle === "active") return id;
  throw commandProblems.command_device_not_active(`Device "${id}" is ${found.lifecycle} and is not let in.`, {
    field: "device",
    fix: "Only an active device takes commands.",
  });
}

/** The active devices that a filter lets through, within the bound. */
export async function activeDevices({ registry }: CommandsDeps, scope: Scope, filter: string): Promise<string[]> {
  const targets = (await registry.select(scope, filter)).filter(({ lifecycle }) => lifecycle === "active").map(({ id }) => id);
  if (targets.length >= 1 && targets.length <= mostTargets) return targets;
  throw commandProblems.command_target_invalid(
    targets.length === 0
      ? `No active device is let through by "${filter}".`
      : `${targets.length} devices are let through by "${filter}"; ${mostTargets} are the most at once.`,
    { field: "filter", fix: "Try the filter with: tenfold device list" },
  );
}

function refuseFull(waiting: ReadonlyMap<string, number>): void {
  const full = [...waiting].filter(([, n]) => n >= mostPending).map(([device]) => device);
  if (full.length === 0) return;
  throw commandProblems.command_queue_full(
    `${mostPending} commands wait already for: ${full.slice(0, 5).join(", ")}${full.length > 5 ? ", …" : ""}.`,
    { fix: "Wait for their ends, or take some back with: tenfold command cancel" },
  );
}

/** Takes a command back. What the device has it may still do; its result is then kept beside. */
export async function takeBack(
  deps: CommandsDeps,
  { scope, actor }: Who,
  { id, reason }: { id: string; reason: string },
): Promise<Command> {
  const { db, audit, clock } = deps;
  const cancelled = await db.transaction().execute(async (tx) => {
    const command = await lockCommand(tx, scope, id);
    if (command === undefined) throw unknownCommand(id);
    if (isFinal(command.state)) throw commandProblems.command_ended(`Command "${id}" has ended already: ${command.state}.`);
    const now = clock.now();
    await cancelCommand(tx, scope, { id, at: now, because: reason });
    await audit(tx, scope, {
      actor,
      action: "command.cancelled",
      subject: { kind: "device", id: command.device },
      detail: { command: id, name: command.name, was: command.state, reason },
    });
    return { ...command, state: "cancelled" as const, endedAt: now, cancelledBecause: reason };
  });
  announce(deps, [{ ...cancelled, fleet: scope.fleet }]);
  return cancelled;
}
