import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { manufacture, registerWithPlatform } from "../apps/simulator/src/factory.ts";
import { type Fleet, startFleet } from "../apps/simulator/src/fleet/fleet.ts";
import { deviceIds } from "../apps/simulator/src/run.ts";
import { Problem } from "../packages/base/src/index.ts";
import { type ApiClient, api, createClient, type Rotation } from "../packages/contracts/src/index.ts";
import { runPlatform } from "../tools/running-platform.ts";

export type DrillOrders = {
  devices: number;
  /** Shares of the devices that sleep through the distribution, and whose clock is three years off. */
  asleep: number;
  wrongClocks: number;
  sleepMs: number;
  /** Over how long the platform spreads what it asks of devices, in seconds. */
  withinS: number;
  patienceMs: number;
};

export type DrillFigures = {
  devices: number;
  asleep: number;
  wrongClocks: number;
  /** From the start of the rotation that ended until `done`, by phase. */
  distributeSeconds: number;
  serveSeconds: number;
  issueSeconds: number;
  /** Links that went down without the device's own wish, from the first rotation to the end of the last. */
  sessionsDropped: number;
  /** Links that devices opened in that time, the one after their sleep counted: the average and the most of a device. */
  ownReconnects: number;
  mostReconnects: number;
  /** Devices that believe the new root only and reconnected under it when all were switched off and on again. */
  backUnderNewRoot: number;
  stranded: number;
};

const profile = "good";
const seed = 7;

/**
 * A root is rotated under a connected fleet: once begun and taken back when the endpoints show the new chain already, then begun again, held,
 * resumed and brought to its end, while some sleep and some have a wrong clock. Throws where a phase does not come within `patienceMs`.
 */
export async function drill(orders: DrillOrders, say: (line: string) => void): Promise<DrillFigures> {
  const folder = await mkdtemp(join(tmpdir(), "tenfold-drill-"));
  await using platform = await runPlatform({
    TENFOLD_LOG_LEVEL: "warn",
    TENFOLD_ROTATION_WITHIN: `${orders.withinS}s`,
    TENFOLD_ENROLLMENT_REQUESTS_PER_MINUTE: "600",
  });
  const client = createClient({ baseUrl: platform.url, token: platform.token });
  const ids = deviceIds("drill", orders.devices);
  const made = await manufacture({ folder, seed, ids, model: "sim-1", version: "1.0.0" });
  await registerWithPlatform(client, { ...made, seed });
  const fleet = startFleet({
    files: made.files,
    folder,
    seed,
    httpsUrl: platform.deviceUrl,
    mqttUrl: `mqtts://localhost:${platform.mqttPort}`,
    ca: await readFile(platform.ca, "utf8"),
    heartbeatMs: 20_000,
    telemetryMs: 20_000,
    profile,
    telemetry: "signals",
    rebootMs: 500,
    wrongClocks: orders.wrongClocks,
    trustedKeys: () => [],
    onEvent: () => {},
  });
  try {
    return await rehearse({ orders, ids, client, fleet, say, made });
  } finally {
    await fleet.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

type Rehearsal = {
  orders: DrillOrders;
  ids: readonly string[];
  client: ApiClient;
  fleet: Fleet;
  say: (line: string) => void;
  made: Awaited<ReturnType<typeof manufacture>>;
};

async function rehearse({ orders, ids, client, fleet, say, made }: Rehearsal): Promise<DrillFigures> {
  const connected = () => fleet.tally.numbers().connected;
  const until = untilWithin(orders.patienceMs, () => JSON.stringify(fleet.tally.numbers()));
  await until("every device connects", () => connected() === ids.length);
  say(`${ids.length} devices are connected`);
  const before = { lost: fleet.tally.numbers().lost, links: new Map(ids.map((id) => [id, fleet.tally.links(id)])) };

  const first = await client.call(api.startRotation, { body: { kind: "root", share: 1 } });
  await phaseOf(client, until, { id: first.id, phase: "serve" });
  await client.call(api.abortRotation, { params: { id: first.id }, body: { reason: "the drill takes it back" } });
  say("the first rotation was taken back while the endpoints showed the new chain");

  const sleepers = ids.slice(0, Math.round(ids.length * orders.asleep));
  fleet.sleep(sleepers, orders.sleepMs);
  const began = performance.now();
  const { id } = await client.call(api.startRotation, { body: { kind: "root", share: 1 } });
  await until("all but the sleepers believe the new root", async () => {
    const { gate } = await find(client, id);
    return gate.withNewTrust >= ids.length - sleepers.length;
  });
  const waiting = await find(client, id);
  say(`${waiting.gate.withNewTrust} of ${waiting.gate.activeDevices} believe the new root; it waits for ${waiting.gate.waitsFor}`);
  await client.call(api.holdRotation, { params: { id }, body: { reason: "the drill holds it" } });
  await until("the sleepers are back", () => connected() === ids.length);
  await until("all believe the new root", async () => (await find(client, id)).gate.withNewTrust === ids.length);
  if ((await find(client, id)).phase !== "distribute") throw new Error("A rotation that is held went on.");
  await client.call(api.resumeRotation, { params: { id }, body: { reason: "the drill goes on" } });

  const at = { distribute: began, serve: 0, issue: 0, done: 0 };
  for (const phase of ["serve", "issue", "done"] as const) {
    await phaseOf(client, until, { id, phase });
    at[phase] = performance.now();
    say(`${phase} after ${Math.round((at[phase] - began) / 1_000)} s; ${connected()} connected`);
  }
  const reconnects = ids.map((device) => fleet.tally.links(device) - (before.links.get(device) ?? 0));
  const sessionsDropped = fleet.tally.numbers().lost - before.lost;

  // The old root vouches for nobody now: whoever comes back does so by the new one alone.
  const links = new Map(ids.map((device) => [device, fleet.tally.links(device)]));
  await until("every device follows the last generation", () => made.files.every((file) => file.trust?.roots.length === 1));
  fleet.sleep(ids, 500);
  const isBack = (device: string) => fleet.tally.links(device) > (links.get(device) ?? 0);
  await until("every device is back", () => ids.every(isBack) && connected() === ids.length).catch(() => {});
  const back = ids.filter(isBack).length;
  return {
    devices: ids.length,
    asleep: sleepers.length,
    wrongClocks: Math.round(ids.length * orders.wrongClocks),
    distributeSeconds: (at.serve - at.distribute) / 1_000,
    serveSeconds: (at.issue - at.serve) / 1_000,
    issueSeconds: (at.done - at.issue) / 1_000,
    sessionsDropped,
    ownReconnects: reconnects.reduce((sum, n) => sum + n, 0) / ids.length,
    mostReconnects: Math.max(...reconnects),
    backUnderNewRoot: back,
    stranded: ids.length - back,
  };
}

async function find(client: ApiClient, id: string): Promise<Rotation> {
  const found = (await client.call(api.listRotations, {})).items.find((one) => one.id === id);
  if (found === undefined) throw new Error(`There is no rotation ${id}.`);
  return found;
}

const order = ["distribute", "serve", "issue", "done"];
const phaseOf = (client: ApiClient, until: Until, { id, phase }: { id: string; phase: string }) =>
  until(`phase ${phase}`, async () => order.indexOf((await find(client, id)).phase) >= order.indexOf(phase));

const isBusy = (error: unknown): boolean => error instanceof Problem && error.status === 503;

type Until = ReturnType<typeof untilWithin>;
const untilWithin = (patienceMs: number, state: () => string) => async (what: string, holds: () => boolean | Promise<boolean>) => {
  // A platform that is too busy to answer a question is asked again.
  const comes = async () => Promise.resolve(holds()).catch((error: unknown) => !isBusy(error) && Promise.reject(error));
  for (const deadline = performance.now() + patienceMs; !(await comes()); await wait(300))
    if (performance.now() > deadline) throw new Error(`It did not come within ${patienceMs / 1_000} s: ${what}. ${state()}`);
};
