import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { type Link, type MessageCount, senml, topics } from "@tenfold/device";
import { createGate } from "../fleet/gate.ts";
import { messagesOf, type ReplayPlan } from "./plan.ts";

export type ReplayOptions = {
  plan: ReplayPlan;
  link: (device: string) => Link | undefined;
  /** Times faster than it was recorded; undefined means as fast as the platform acknowledges. */
  speed: number | undefined;
  signal: AbortSignal;
};

export type ReplayResult = { messages: number; pointsSent: number; pointsAcked: number; retried: number; failures: string[] };

/** Points in one message, and messages that one device and all devices may have unacknowledged. */
const maxPoints = 60;
const perDevice = 8;
const overall = 128;
/** A message that nobody acknowledges for this long is given up, and told. */
const patienceMs = 60_000;

/** Sends every row through its device and waits until each message is acknowledged. */
export async function replay({ plan, link, speed, signal }: ReplayOptions): Promise<ReplayResult> {
  const result: ReplayResult = { messages: 0, pointsSent: 0, pointsAcked: 0, retried: 0, failures: [] };
  const everywhere = createGate(overall);
  const startedAt = performance.now();
  const firstAt = Math.min(...[...plan.devices.values()].map((rows) => rows[0]?.at ?? Number.POSITIVE_INFINITY));

  const sendAll = async ([device, rows]: [
    string,
    ReplayPlan["devices"] extends ReadonlyMap<string, infer Rows> ? Rows : never,
  ]) => {
    const mine = createGate(perDevice);
    const under = new Set<Promise<void>>();
    // [docs/protocol/telemetry.md T5] What is sent again is stored once.
    const boot = `replay-${randomUUID()}`;
    let next = 0;
    // At a pace each row goes alone, when its time has come.
    for (const { at, samples } of messagesOf(rows, speed === undefined ? maxPoints : 1)) {
      if (signal.aborted) break;
      if (speed !== undefined) await pauseUntil(startedAt + (at - firstAt) / speed, signal);
      const leaves = [await mine.enter(), await everywhere.enter()];
      result.messages += 1;
      result.pointsSent += samples.length;
      const count = { seq: next, boot };
      next += 1;
      const sent = deliver(() => link(device), {
        count,
        topic: topics(device).telemetry,
        payload: senml(samples, at),
        signal,
        onRetry: () => (result.retried += 1),
      })
        .then(() => {
          result.pointsAcked += samples.length;
        })
        .catch((error: unknown) => {
          if (result.failures.length < 20)
            result.failures.push(`${device}: ${error instanceof Error ? error.message : String(error)}`);
        })
        .finally(() => {
          for (const leave of leaves) leave();
          under.delete(sent);
        });
      under.add(sent);
    }
    await Promise.all(under);
  };
  await Promise.all([...plan.devices].map(sendAll));
  return result;
}

type Delivery = { count: MessageCount; topic: string; payload: string; signal: AbortSignal; onRetry: () => void };

async function deliver(link: () => Link | undefined, { topic, payload, count, signal, onRetry }: Delivery): Promise<void> {
  const until = performance.now() + patienceMs;
  for (let tries = 0; ; tries++) {
    const open = link();
    try {
      if (open === undefined) throw new Error("the device has no link");
      return await open.publish(topic, payload, count);
    } catch (error) {
      const refused = error instanceof Error && "code" in error && error.code === "publish_refused";
      if (refused || signal.aborted || performance.now() > until) throw error;
      // Only what may have gone out counts as said twice.
      if (open !== undefined) onRetry();
      await pause(Math.min(2_000, 50 * 2 ** tries));
    }
  }
}

async function pauseUntil(at: number, signal: AbortSignal): Promise<void> {
  const ms = at - performance.now();
  if (ms > 0) await pause(ms, undefined, { signal }).catch(() => {});
}
