import { createHash } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { Problem } from "@tenfold/base";
import { type ApiClient, api, finalDeploymentStates, type Rollout } from "@tenfold/contracts";
import { type PrivateKey, signRelease } from "@tenfold/ota";
import { type Plot, versionOf } from "./fates.ts";
import { insist } from "./insist.ts";

export type Lane = {
  client: ApiClient;
  /** Its devices' model; no two lanes share a device. */
  model: string;
  plots: readonly Plot[];
  signer: PrivateKey;
  chance: () => number;
  /** No round begins after this time (ms). */
  until: number;
  tell: (sentence: string) => void;
  peace: Peace;
};

/** The models whose rollout has gone on for long: it is left in peace until it has ended, and then it must end. */
export type Peace = Set<string>;

export type Round = { rollout: string; version: string; plot: Plot; phase: Rollout["phase"] };

const ended = new Set<Rollout["phase"]>(["completed", "rolled_back", "halted", "cancelled"]);
const final = new Set<string>(finalDeploymentStates);
/** After this long a rollout under kills gets peace; one that has not ended so long after that, with these deadlines, never will. */
const [restlessMs, peacefulMs] = [120_000, 180_000];

/** One rollout after the other over the devices of a lane, each with a release of its own, until the time is over. Throws for one that does not end. */
export async function playLane(lane: Lane): Promise<Round[]> {
  const rounds: Round[] = [];
  while (Date.now() < lane.until) {
    // The first one gives every device a release to come back to.
    const plot = rounds.length === 0 ? "good" : (lane.plots[(rounds.length - 1) % lane.plots.length] ?? "good");
    const round = await playRound(lane, { plot, version: versionOf(rounds.length + 1, plot) });
    rounds.push(round);
    lane.tell(`${lane.model} ${round.version} (${plot}): ${round.phase}`);
  }
  return rounds;
}

async function playRound(lane: Lane, { plot, version }: { plot: Plot; version: string }): Promise<Round> {
  await publish(lane, version);
  const rollout = await start(lane, version);
  if (plot === "cancelled") await interfere(lane, rollout);
  for (const began = Date.now(); ; await pause(400)) {
    const { phase, because, counts } = await insist(() => lane.client.call(api.getRollout, { params: { id: rollout } }));
    // One that was cancelled or halted has ended before the devices that were on their way.
    const open = Object.entries(counts).filter(([state, devices]) => devices > 0 && !final.has(state));
    if (ended.has(phase) && open.length === 0) {
      lane.peace.delete(lane.model);
      return { rollout, version, plot, phase };
    }
    if (Date.now() > began + restlessMs) lane.peace.add(lane.model);
    const where = open.map(([state, devices]) => `${devices} ${state}`).join(", ");
    if (Date.now() > began + restlessMs + peacefulMs)
      throw new Error(`${rollout} (${plot}) is stuck: ${phase}: ${because} ${where}`);
  }
}

async function publish({ client, model, signer }: Lane, version: string): Promise<void> {
  const bytes = Buffer.alloc(48 * 1_024, `${model} ${version} `);
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  const headers = { "content-type": "application/octet-stream" };
  await insist(() => client.raw("PUT", `/api/v1/artifacts/${sha256}`, { body: new Uint8Array(bytes), headers }));
  const artifact = { sha256, size: bytes.length };
  const signedAt = new Date().toISOString();
  const statement = { type: "tenfold.release.v1" as const, name: model, version, models: [model], artifact, signedAt };
  const body = { envelope: signRelease(statement, signer) };
  const idempotencyKey = `release ${model} ${version}`.replaceAll(" ", "/");
  await once(
    async () => (await client.call(api.createRelease, { body }, { idempotencyKey })).id,
    () => releaseOf(client, { model, version }),
  );
}

/**
 * Does what must be done once, whatever is killed. Where the answer was lost after the act, the key says for two minutes that the first request is at
 * work, or what was made is there already: then it is looked for, as a person would.
 */
async function once<Made>(ask: () => Promise<Made>, look: () => Promise<Made | undefined>): Promise<Made> {
  for (;;) {
    try {
      return await insist(ask);
    } catch (error) {
      if (!(error instanceof Problem && error.status === 409)) throw error;
      const found = await insist(look);
      if (found !== undefined) return found;
      await pause(1_000);
    }
  }
}

async function start({ client, model }: Lane, version: string): Promise<string> {
  const release = await insist(() => releaseOf(client, { model, version }));
  if (release === undefined) throw new Error(`${model} ${version} was acknowledged and is not there.`);
  const body = {
    ...{ release, filter: `model:${model}`, stages: [{ share: 0.5 }, { share: 1 }] },
    ...{ deadline: "PT45S", soak: "PT1S", haltAbove: 0.3, giveUpAfter: "PT90S" },
    retries: { most: 1, backoff: "PT1M", on: ["network" as const, "install" as const] },
  };
  const idempotencyKey = `rollout/${model}/${version}`;
  return once(
    async () => (await client.call(api.startRollout, { body }, { idempotencyKey })).id,
    async () => {
      const { items } = await client.call(api.listRollouts, { query: { limit: 50 } });
      return items.find((rollout) => rollout.release.id === release)?.id;
    },
  );
}

async function releaseOf(client: ApiClient, { model, version }: { model: string; version: string }): Promise<string | undefined> {
  const { items } = await client.call(api.listReleases, { query: { limit: 500 } });
  return items.find(({ name, version: one }) => name === model && one === version)?.id;
}

/** An operator who changes their mind: pauses, goes on, and takes it back or ends it, each at some moment. A rollout that was quicker is left. */
async function interfere({ client, chance }: Lane, id: string): Promise<void> {
  const ending = chance() < 0.7 ? api.rollBackRollout : api.cancelRollout;
  for (const act of [api.pauseRollout, api.resumeRollout, ending]) {
    await pause(chance() * 5_000);
    await insist(() => client.call(act, { params: { id }, body: { reason: "An operator changed their mind." } })).catch(
      (error: unknown) => {
        if (!(error instanceof Problem && error.code === "rollout_phase_conflict")) throw error;
      },
    );
  }
}
