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
};

export type Round = { rollout: string; version: string; plot: Plot; phase: Rollout["phase"] };

const ended = new Set<Rollout["phase"]>(["completed", "rolled_back", "halted", "cancelled"]);
const final = new Set<string>(finalDeploymentStates);
/** A rollout of a few devices with these deadlines that has not ended by then never will. */
const longestRoundMs = 240_000;

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
  for (const giveUpAt = Date.now() + longestRoundMs; ; await pause(400)) {
    const { phase, because, counts } = await insist(() => lane.client.call(api.getRollout, { params: { id: rollout } }));
    // One that was cancelled or halted has ended before the devices that were on their way.
    const open = Object.entries(counts).filter(([state, devices]) => devices > 0 && !final.has(state));
    if (ended.has(phase) && open.length === 0) return { rollout, version, plot, phase };
    const where = open.map(([state, devices]) => `${devices} ${state}`).join(", ");
    if (Date.now() > giveUpAt) throw new Error(`${rollout} (${plot}) is stuck: ${phase}: ${because} ${where}`);
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
  await insist(() => client.call(api.createRelease, { body }, { idempotencyKey })).catch((error: unknown) => {
    // The first request was killed after it had done its work.
    if (!(error instanceof Problem && error.code === "release_exists")) throw error;
  });
}

async function start({ client, model }: Lane, version: string): Promise<string> {
  const body = {
    ...{ release: await releaseOf(client, model, version), filter: `model:${model}`, stages: [{ share: 0.5 }, { share: 1 }] },
    ...{ deadline: "PT45S", soak: "PT1S", haltAbove: 0.3, giveUpAfter: "PT90S" },
    retries: { most: 1, backoff: "PT1M", on: ["network" as const, "install" as const] },
  };
  const idempotencyKey = `rollout/${model}/${version}`;
  return (await insist(() => client.call(api.startRollout, { body }, { idempotencyKey }))).id;
}

async function releaseOf(client: ApiClient, model: string, version: string): Promise<string> {
  const { items } = await insist(() => client.call(api.listReleases, { query: { limit: 500 } }));
  const found = items.find(({ name, version: one }) => name === model && one === version);
  if (found === undefined) throw new Error(`${model} ${version} was acknowledged and is not there.`);
  return found.id;
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
