import { describeError } from "@tenfold/base";
import type { DdiClient } from "./client.ts";
import { type Aim, type Mutated, mutatedRequests } from "./mutations.ts";

type Target = Aim & {
  requests: number;
  seed?: string;
  /** Called when half of the requests have been sent. */
  halfway?: () => Promise<void>;
};
/** `answers`: how many by status and problem code, as `404 ddi_action_unknown`. */
export type Found = { answers: Record<string, number>; broken: string[] };

const inFlight = 8;

/**
 * Sends mutated DDI requests over mutual TLS, several at once on connections that are kept. What is told is never the version that would prove
 * an update, so that none may succeed; everything has to be answered, and never with a 5xx.
 */
export async function fuzz(client: DdiClient, { action, filename, requests, seed = "ddi", halfway }: Target): Promise<Found> {
  const next = mutatedRequests(seed, { action, filename });
  const found: Found = { answers: {}, broken: [] };
  let sent = 0;
  const lane = async () => {
    while (sent < requests) {
      sent += 1;
      const request = next();
      if (sent === Math.ceil(requests / 2)) await halfway?.();
      await sendOne(client, request, found);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, lane));
  return found;
}

async function sendOne(client: DdiClient, { path, asked }: Mutated, found: Found): Promise<void> {
  const say = (what: string) => found.broken.push(`${what} ${JSON.stringify({ path, ...asked, body: asked.body?.toString() })}`);
  try {
    const { status, json } = await again(() => client.ask(path, asked));
    const answer = json?.code === undefined ? String(status) : `${status} ${json.code}`;
    found.answers[answer] = (found.answers[answer] ?? 0) + 1;
    if (status >= 500) say(String(status));
  } catch (error) {
    say(describeError(error));
  }
}

/** A kept connection that the server has just closed is no answer: the request is sent again, twice at most. */
async function again<T>(send: () => Promise<T>, left = 2): Promise<T> {
  try {
    return await send();
  } catch (error) {
    if (left === 0 || (error as NodeJS.ErrnoException).code !== "ECONNRESET") throw error;
    return again(send, left - 1);
  }
}
