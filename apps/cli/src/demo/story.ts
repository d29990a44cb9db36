import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { type ApiClient, api, type Rollout } from "@tenfold/contracts";
import { describeArtifact, pushArtifact } from "../artifact.ts";
import { runQuietly } from "../child.ts";
import { watchRollout } from "../commands/rollout/watch.ts";
import { publishFolder } from "../commands/tuf/publish.ts";
import { cliProblems } from "../exit.ts";
import type { SigningFolder } from "../tuf/folder.ts";
import { initFolder } from "../tuf/init.ts";
import { lifetimes } from "../tuf/roots.ts";
import { listRelease } from "../tuf/targets.ts";

export type Tell = (line: string) => void;

/** A signing folder of the demo's, beside the server and not in it: root and targets keys that the server never sees. */
export async function setUpSigning(client: ApiClient, dir: string): Promise<SigningFolder> {
  const { online } = await client.call(api.getMetadataStatus, {});
  const folder = await initFolder(dir, {
    online: online.key,
    rootKeys: [],
    targetsKeys: [],
    rootThreshold: 1,
    targetsThreshold: 1,
    rootLifetime: lifetimes.root,
    targetsLifetime: lifetimes.targets,
    vouchers: [],
  });
  await publishFolder(client, folder);
  return folder;
}

type Firmware = { version: string; bricks?: number; notes: string };

/** Makes an image, signs it, uploads it and registers the release, as a pipeline would. */
export async function publishFirmware(
  { client, folder }: { client: ApiClient; folder: SigningFolder },
  { version, bricks, notes }: Firmware,
): Promise<void> {
  const path = join(folder.path, `firmware-${version}.bin`);
  await runQuietly("simulator", [
    "firmware",
    "--version",
    version,
    "--size",
    "131072",
    "--out",
    path,
    ...(bricks === undefined ? [] : ["--bricks", String(bricks)]),
  ]);
  await pushArtifact(client, path);
  const statement = {
    type: "tenfold.release.v1" as const,
    name: "demo-firmware",
    version,
    models: [],
    artifact: await describeArtifact(path),
    signedAt: new Date().toISOString(),
  };
  const { envelope } = await listRelease(folder, { statement, floor: undefined, lifetime: lifetimes.targets });
  await publishFolder(client, folder);
  await client.call(api.createRelease, { body: { envelope, notes } });
}

/** Waits until so many devices are online, and says how far it is. */
export async function untilOnline(
  client: ApiClient,
  { devices, withinMs, signal }: { devices: number; withinMs: number; signal: AbortSignal },
): Promise<number> {
  const deadline = Date.now() + withinMs;
  let online = 0;
  while (Date.now() < deadline && !signal.aborted) {
    const { connectivity } = await client.call(api.summarizeDevices, { query: {} });
    online = connectivity.online ?? 0;
    if (online >= devices) return online;
    await wait(250);
  }
  throw cliProblems.program_failed(`Only ${online} of ${devices} devices came online within ${withinMs / 1_000} s.`);
}

type Plan = { version: string; deadline: string; soak: string };

/** Starts a staged rollout and follows it to its end, telling each change of its stages. */
export async function rollOut(
  client: ApiClient,
  plan: Plan,
  { tell, signal }: { tell: Tell; signal: AbortSignal },
): Promise<Rollout> {
  const { version, deadline, soak } = plan;
  const body = {
    release: version,
    stages: [{ share: 0.15 }, { share: 0.4 }, { share: 1 }],
    haltAbove: 0.05,
    deadline,
    soak,
    atOnce: 200,
  };
  let rollout = await client.call(api.startRollout, { body });
  let told = "";
  for await (const seen of watchRollout(client, rollout.id, signal)) {
    rollout = seen;
    const line = ladder(seen);
    if (line !== told) tell(line);
    told = line;
  }
  return rollout;
}

/** One line: each stage with its devices and how many of them are on the release. */
function ladder({ phase, because, stages }: Rollout): string {
  const rungs = stages.map(({ index, devices, state, counts }) => {
    const done = counts["succeeded" as keyof typeof counts] ?? 0;
    const mark = state === "passed" ? "✓" : state === "halted" ? "✗" : state === "waiting" ? "·" : "▸";
    return `${mark} ${index === 0 ? "canary" : `stage ${index + 1}`} ${done}/${devices}`;
  });
  return `${rungs.join("   ")}   ${phase === "running" ? "" : `${phase}: ${because}`}`.trimEnd();
}
