/**
 * What the director costs: a device's whole set (targets, snapshot, timestamp) signed, beside what OpenSSL itself can sign in the same run; and what a
 * device or a server pays to read, check and look through a list of 100,000 releases. Per second of processor time, so that a busy machine says the same.
 */
import { execFileSync } from "node:child_process";
import { refresh, signDirectorSet } from "@tenfold/ota";
import { createPretendRepository, newMetadataSigner } from "@tenfold/testkit";
import { atLeast, atMost, type BenchResult } from "./result.ts";

const sets = 6_000;
const listed = 100_000;

const cpuSeconds = async (work: () => Promise<void>): Promise<number> => {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
};

async function setsPerSecond(kind: "p256" | "ed25519"): Promise<number> {
  const signer = newMetadataSigner(kind);
  const expires = Date.UTC(2027, 0);
  const sign = async (count: number) => {
    for (let i = 0; i < count; i++) {
      const custom = { deployment: `dep_${i}`, rollback: false, releaseCounter: 7, hardwareId: "pump-2" };
      const image = { path: "pump/1.5.0", length: 131_072, sha256: "ab".repeat(32), custom };
      await signDirectorSet({ device: `pump-${i}`, image, version: 1_800_000_000 + i, expires }, signer);
    }
  };
  await sign(500);
  return sets / (await cpuSeconds(() => sign(sets)));
}

/** Signatures a second of one processor, by `openssl speed`; undefined where there is no openssl. */
function opensslSigns(algorithm: "ed25519" | "ecdsap256"): number | undefined {
  try {
    const told = execFileSync("openssl", ["speed", "-seconds", "2", algorithm], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
    const [, signs] = /\s([\d.]+)\s+[\d.]+\s*$/m.exec(told.trimEnd().split("\n").at(-1) ?? "") ?? [];
    return signs === undefined ? undefined : Number(signs);
  } catch {
    return undefined;
  }
}

async function secondsToCheck(): Promise<number> {
  const repository = await createPretendRepository();
  const entry = (i: number) => {
    const custom = { hardwareIds: ["pump-2"], releaseCounter: i, statement: "cd".repeat(32) };
    return { length: 131_072, hashes: { sha256: i.toString(16).padStart(64, "0") }, custom };
  };
  repository.targets = Object.fromEntries(Array.from({ length: listed }, (_, i) => [`pump/${i}.0.0`, entry(i)]));
  await repository.publish();
  const times: number[] = [];
  for (let i = 0; i < 3; i++) {
    times.push(
      await cpuSeconds(async () => {
        const { verdict } = await refresh({ root: repository.root() }, repository.source, Date.now());
        if (verdict.is === "refuse") throw new Error(verdict.detail);
      }),
    );
  }
  return Math.min(...times);
}

export async function run(): Promise<BenchResult> {
  const [p256, ed25519, check] = [await setsPerSecond("p256"), await setsPerSecond("ed25519"), await secondsToCheck()];
  const [limitP256, limitEd25519] = [opensslSigns("ecdsap256"), opensslSigns("ed25519")];
  const beside = (name: string, limit: number | undefined, perSecond: number): Record<string, number> =>
    limit === undefined
      ? {}
      : { [`openssl ${name} signatures/s`]: limit, [`share of that limit, ${name}`]: (3 * perSecond) / limit };
  return {
    bench: "director",
    figures: {
      "device sets/s of one core, p256 (the server's key)": p256,
      "device sets/s of one core, ed25519": ed25519,
      ...beside("p256", limitP256, p256),
      ...beside("ed25519", limitEd25519, ed25519),
      [`seconds to check ${listed} targets`]: check,
    },
    aims: {
      "device sets/s of one core": atLeast(p256, 3_000),
      [`seconds to check ${listed} targets`]: atMost(check, 1),
    },
  };
}
