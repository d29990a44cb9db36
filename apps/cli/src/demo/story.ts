import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { type ApiClient, api, type Rollout } from "@tenfold/contracts";
import { generateSigningKey, readPrivateKey, signRelease } from "@tenfold/ota";
import { describeArtifact, pushArtifact } from "../artifact.ts";
import { runQuietly } from "../child.ts";
import { watchRollout } from "../commands/rollout/watch.ts";
import { cliProblems } from "../exit.ts";

export type Tell = (line: string) => void;

/** A signing key that lives in a folder of the demo's, beside the server and not in it. */
export type Signer = { publicKeyPath: string; publicKeyPem: string; privateKeyPem: string };

export async function makeSigner(dir: string): Promise<Signer> {
  await mkdir(dir, { recursive: true });
  const { publicKeyPem, privateKeyPem } = generateSigningKey();
  const publicKeyPath = join(dir, "release-key.pub.pem");
  await writeFile(publicKeyPath, publicKeyPem);
  await writeFile(join(dir, "release-key.pem"), privateKeyPem, { mode: 0o600 });
  return { publicKeyPath, publicKeyPem, privateKeyPem };
}

type Firmware = { version: string; bricks?: number; notes: string };

/** Makes an image, signs it, uploads it and registers the release, as a pipeline would. */
export async function publishFirmware(
  { client, dir, signer }: { client: ApiClient; dir: string; signer: Signer },
  { version, bricks, notes }: Firmware,
): Promise<void> {
  const path = join(dir, `firmware-${version}.bin`);
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
  await client.call(api.createRelease, { body: { envelope: signRelease(statement, readPrivateKey(signer.privateKeyPem)), notes } });
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
