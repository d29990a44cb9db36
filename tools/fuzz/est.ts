/** Enrollment over HTTPS with a real database: whatever is posted, the answer is never a 5xx, and nothing wrong is enrolled. */

import { Agent } from "node:https";
import { defaultScope } from "@tenfold/base";
import { asClient, csrFor, enrollmentWorld, newKey, operator, trustedFactory } from "../../apps/platform/src/enrollment/testing.ts";
import { mutate, pick } from "./mutate.ts";
import type { OpenTarget, Target } from "./target.ts";

const operations = ["simpleenroll", "simplereenroll", "serverkeygen", "cacerts", "csrattrs", "fullcmc"];

export const estTarget: Target = { name: "est-endpoint", weight: 0.5, open };

async function open(): Promise<OpenTarget> {
  const world = await enrollmentWorld();
  const { device } = await trustedFactory(world);
  await world.enrollment.announce(defaultScope, { entries: [{ serial: "pump-1" }], actor: operator });
  const client = asClient(await device("pump-1"));
  const good = await csrFor("pump-1", newKey());
  // A handshake for each input would be most of the work, so both keep their connection for as long as the server does.
  const keepAlive = () => new Agent({ keepAlive: true, maxSockets: 1, scheduling: "fifo" });
  const [known, stranger] = [{ ...client, agent: keepAlive() }, { agent: keepAlive() }];
  const corpus = [Buffer.from(good), Buffer.from(good, "base64")];
  return {
    async attack(random) {
      // Otherwise most of it would be refused for its pace alone.
      world.pass(10_000);
      const body = mutate(random, corpus);
      const { status } = await world.post(pick(random, operations), body, random() < 0.8 ? known : stranger);
      if (status >= 500 && status !== 501) throw new Error(`answered ${status}`);
    },
    async assertAlive() {
      const { status } = await world.call("GET", "/.well-known/est/cacerts");
      if (status !== 200) throw new Error(`cacerts answered ${status}`);
    },
    async [Symbol.asyncDispose]() {
      for (const { agent } of [known, stranger]) agent.destroy();
      await world[Symbol.asyncDispose]();
    },
  };
}
