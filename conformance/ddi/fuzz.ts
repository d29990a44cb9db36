import { describeError } from "@tenfold/base";
import { type Aim, type Mutated, mutatedRequests } from "./mutations.ts";
import type { Pipeline } from "./pipeline.ts";

type Target = Aim & {
  requests: number;
  seed?: string;
  /** When to end, with what has been sent; ms of `performance.now()`. */
  until?: number;
  /** Called when half of the requests have been sent. */
  halfway?: () => Promise<void>;
};
/** `answers`: how many by status and problem code, as `404 ddi_action_unknown`. */
export type Found = { sent: number; answers: Record<string, number>; broken: string[] };

const inFlight = 8;

/**
 * Sends mutated DDI requests over mutual TLS, several at once on a connection that is kept. What is told is never the version that would prove
 * an update, so that none may succeed; everything has to be answered, and never with a 5xx.
 */
export async function fuzz(
  client: Pipeline,
  { action, filename, requests, seed = "ddi", until = Infinity, halfway }: Target,
): Promise<Found> {
  const next = mutatedRequests(seed, { action, filename });
  const found: Found = { sent: 0, answers: {}, broken: [] };
  const lane = async () => {
    while (found.sent < requests && performance.now() < until) {
      found.sent += 1;
      const request = next();
      if (found.sent === Math.ceil(requests / 2)) await halfway?.();
      await sendOne(client, request, found);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, lane));
  return found;
}

async function sendOne(client: Pipeline, { path, asked }: Mutated, found: Found): Promise<void> {
  const say = (what: string) => found.broken.push(`${what} ${JSON.stringify({ path, ...asked, body: asked.body?.toString() })}`);
  try {
    const { status, body } = await client.ask(path, asked);
    const code = status < 400 ? undefined : /"code":"(\w+)"/.exec(body)?.[1];
    const answer = code === undefined ? String(status) : `${status} ${code}`;
    found.answers[answer] = (found.answers[answer] ?? 0) + 1;
    if (status >= 500) say(String(status));
  } catch (error) {
    say(describeError(error));
  }
}
