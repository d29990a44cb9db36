/** What the console is to show: a fleet that updates, a halted rollout with its crashes, one that waits for an approval, rules, metadata. */
import { randomBytes } from "node:crypto";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { request } from "node:https";
import { join } from "node:path";
import type { RunningPlatform } from "../running-platform.ts";
import { eventually } from "./steps.ts";

export type Stage = {
  /** Rollouts: halted by its canary, and waiting for an approval of somebody else than its author. */
  halted: string;
  waiting: string;
  /** The releases that were rolled out and halted, and one that no rollout has used. */
  bad: string;
  fresh: string;
  /** A device that the halted rollout reached, with crash evidence. */
  device: string;
};

/** Roots and releases, signed in a folder beside the server. The fleet starts with its `roots.json`. */
export async function setUpReleases(platform: RunningPlatform): Promise<{ folder: string; roots: string }> {
  const folder = join(platform.dir, "signer");
  await platform.tenfold("tuf", "init", folder);
  await platform.tenfold("tuf", "publish", folder);
  return { folder, roots: join(folder, "roots.json") };
}

export async function setStage(platform: RunningPlatform, folder: string): Promise<Stage> {
  const { tenfold } = platform;
  const { items } = JSON.parse(await tenfold("api", "GET", "/api/v1/devices")) as { items: { id: string }[] };
  for (const { id } of items.slice(0, 2)) await tenfold("device", "tag", id, "site=lab");
  const bad = await publish(platform, { folder, version: "2.0.0", more: ["--bricks", "0.5"], notes: "Bad on purpose." });
  const good = await publish(platform, { folder, version: "2.1.0", more: [], notes: "Mends 2.0.0." });
  const fresh = await publish(platform, { folder, version: "2.2.0", more: [], notes: "Not used yet.", channel: "beta" });
  const terms = ["--stages", "25%,100%", "--deadline", "12s", "--soak", "2s", "--filter", "-tag:site=lab"];
  const { id: halted } = JSON.parse(await tenfold("rollout", "start", bad, ...terms, "--yes", "--json")) as { id: string };
  const device = await exposed(platform, halted);
  await leaveCrashes(platform, device);
  await eventually(async () => {
    const { phase } = JSON.parse(await tenfold("rollout", "show", halted, "--json")) as { phase: string };
    if (!["rolling_back", "rolled_back"].includes(phase)) throw new Error(`it is ${phase}`);
  }, 90_000);
  const approved = ["--approvals", "1", "--yes", "--json"];
  const { id: waiting } = JSON.parse(await tenfold("rollout", "start", good, ...approved)) as { id: string };
  const to = new Date(Date.now() + 12 * 86_400_000).toISOString();
  const from = new Date(Date.now() + 9 * 86_400_000).toISOString();
  await tenfold("rollout", "freeze", "--from", from, "--to", to, "--reason", "end of the season");
  await tenfold("rollout", "pin", "tag:site=lab", "--to", "1.0.0", "--reason", "measurements until Friday");
  return { halted, waiting, bad, fresh, device };
}

type Published = { folder: string; version: string; more: string[]; notes: string; channel?: string };

async function publish({ dir, tenfold }: RunningPlatform, { folder, version, more, notes, channel = "stable" }: Published) {
  const [image, sbom] = [join(dir, `firmware-${version}.bin`), join(dir, `${version}.cdx.json`)];
  await tenfold("sim", "firmware", "--version", version, "--out", image, ...more);
  await writeFile(sbom, JSON.stringify(sbomOf(version)));
  const words = ["--tuf", folder, "--version", version, "--name", "pump", "--notes", notes, "--channel", channel];
  return (JSON.parse(await tenfold("release", "create", image, ...words, "--sbom", sbom, "--json")) as { id: string }).id;
}

const sbomOf = (version: string) => ({
  ...{ bomFormat: "CycloneDX", specVersion: "1.6", version: 1 },
  metadata: { component: { type: "firmware", name: "pump", version } },
  components: [
    {
      type: "library",
      name: "openssl",
      version: "3.0.13",
      purl: "pkg:deb/debian/openssl@3.0.13",
      licenses: [{ license: { id: "Apache-2.0" } }],
    },
    { type: "library", name: "zlib", version: "1.3.1", purl: "pkg:deb/debian/zlib@1.3.1", licenses: [{ license: { id: "Zlib" } }] },
  ],
});

/** The first device that a rollout reached. */
async function exposed(platform: RunningPlatform, rollout: string): Promise<string> {
  let found: string | undefined;
  await eventually(async () => {
    type Page = { items: { device: string; offeredAt?: string }[] };
    const page = JSON.parse(await platform.tenfold("api", "GET", `/api/v1/rollouts/${rollout}/deployments`)) as Page;
    found = page.items.find(({ offeredAt }) => offeredAt !== undefined)?.device;
    if (found === undefined) throw new Error("nobody was offered it yet");
  }, 60_000);
  return found ?? "";
}

const panic = [
  "[   12.104388] Unable to handle kernel NULL pointer dereference at virtual address 0000000000000018",
  "[   12.112006] pc : pump_set_rate+0x3c/0x90 [pump]",
  "[   12.116841] Call trace:",
  "[   12.119280]  pump_set_rate+0x3c/0x90 [pump]",
  "[   12.123402]  pump_worker+0x118/0x2a4 [pump]",
  "[   12.127529]  process_one_work+0x174/0x3dc",
  "[   12.131480] Kernel panic - not syncing: Oops: Fatal exception",
].join("\n");

/** Sends what the device would have left behind, with its own certificate. */
async function leaveCrashes({ dir, deviceUrl, ca }: RunningPlatform, device: string): Promise<void> {
  type DeviceFile = { id: string; credentials?: { cert: string; key: string } };
  const files = join(dir, "fleet");
  const names = (await readdir(files, { recursive: true })).filter((name) => name.endsWith(".json"));
  const all = await Promise.all(names.map(async (name) => JSON.parse(await readFile(join(files, name), "utf8")) as DeviceFile));
  const identity = all.find(({ id }) => id === device)?.credentials;
  if (identity === undefined) throw new Error(`${device} has no certificate in ${files}`);
  const boot = randomBytes(8).toString("hex");
  const trusted = await readFile(ca, "utf8");
  for (const [kind, body] of [
    ["pstore", panic],
    ["log", "pump: rate 0 refused\npump: watchdog bites"],
  ] as const) {
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const url = new URL(`/v1/crash/${kind}`, deviceUrl);
      const headers = { "Tenfold-Boot": boot, "Tenfold-Firmware": "2.0.0" };
      request(url, { method: "PUT", headers, ...identity, ca: trusted }, (answer) => {
        answer.resume();
        resolve(answer.statusCode);
      })
        .on("error", reject)
        .end(body);
    });
    if (status !== 200) throw new Error(`${kind} of ${device} was answered with ${status}`);
  }
}
