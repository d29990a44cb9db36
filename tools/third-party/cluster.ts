/**
 * Several machines, as far as one can play them: real NATS, PostgreSQL by URL, ClickHouse's HTTP protocol by the testkit's front over the embedded
 * engine (no ClickHouse server can be installed from here), three servers of devices in network namespaces behind a TCP balancer, two intakes.
 * Devices publish numbered messages while one server is cut off, one is killed, NATS is killed and started again, and the intake that applies is
 * killed three times in the middle of a batch. The law: what was acknowledged is stored once.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream, readFileSync } from "node:fs";
import { mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { connect } from "node:tls";
import { createClient, api as operations } from "@tenfold/contracts";
import { canSyncAlways, clickHouseFront, endsWithUs, findNatsServer, ownFolder, startNatsServer } from "@tenfold/testkit";
import { generate } from "mqtt-packet";
import { throwAwayDatabase } from "../../apps/platform/src/kernel/testing.ts";
import { type EnrolledDevice, enrollFleet } from "../../bench/fleet.ts";
import { judge } from "../faults/law.ts";
import { startLoad } from "../faults/load.ts";
import { balance, createNetwork } from "./network.ts";
import { type Counts, steps } from "./steps.ts";

const devices = 6;
const ports = { mqtt: 8883, https: 8443, http: 8080 };

type Member = { dataDir: string; url: string; pid: number; end(signal: "SIGKILL" | "SIGTERM"): Promise<void>; alive(): boolean };

export async function runAlone(): Promise<Counts> {
  const counts = steps("cluster");
  const { step } = counts;
  const binary = findNatsServer() ?? "";
  const dir = await ownFolder("cluster");
  await using network = createNetwork(3);
  await using nats = await startNatsServer(binary, { host: network.hub });
  await using database = await throwAwayDatabase();
  await using store = await clickHouseFront();
  // The test's PostgreSQL listens on a socket only; all come to it by URL over the bridge.
  await using passage = await balance([socketOf(database.url)], { host: network.hub });
  const databaseUrl = overTcp(database.url, { host: network.hub, port: passage.port });
  const members = new Set<Member>();
  const start = async (name: string, wish: { roles: string; env?: Record<string, string>; host?: number }): Promise<Member> => {
    const host = wish.host === undefined ? undefined : network.hosts[wish.host];
    const member = await startMember({
      dataDir: join(dir, name),
      wrap: host === undefined ? [] : ["ip", "netns", "exec", host.namespace],
      url: host && `http://${host.address}:${ports.http}`,
      env: {
        TENFOLD_ROLES: wish.roles,
        TENFOLD_DATABASE_URL: databaseUrl,
        TENFOLD_NATS_URL: nats.url,
        ...(canSyncAlways(binary) ? { TENFOLD_NATS_MONITOR_URL: nats.monitorUrl } : { TENFOLD_NATS_SYNC: "trusted" }),
        TENFOLD_BLOBS_DIR: join(dir, "blobs"),
        TENFOLD_LOG_LEVEL: "warn",
        ...(host === undefined
          ? { TENFOLD_HTTP_PORT: "0", TENFOLD_CLICKHOUSE_URL: store.url }
          : { TENFOLD_HTTP_HOST: host.address }),
        ...wish.env,
      },
    });
    members.add(member);
    return member;
  };
  try {
    const api = await start("api", { roles: "api,loops", env: { TENFOLD_DEVICE_HOSTNAMES: "localhost" } });
    const token = (await readFile(join(api.dataDir, "admin-token"), "utf8")).trim();
    const client = createClient({ baseUrl: api.url, token });
    let intakes = await Promise.all(["intake-0", "intake-1"].map((name) => start(name, { roles: "intake" })));
    const links = await Promise.all(network.hosts.map((_, i) => start(`links-${i}`, { roles: "links", host: i })));
    const targets = (port: number) => network.hosts.map(({ address }) => ({ host: address, port }));
    await using mqtt = await balance(targets(ports.mqtt));
    await using https = await balance(targets(ports.https));
    const ca = join(api.dataDir, "pki", "ca.pem");
    const fleet = await enrollFleet(
      { url: api.url, deviceUrl: `https://localhost:${https.port}`, token, ca },
      { prefix: "roamer", devices },
    );
    const load = startLoad(
      { host: "127.0.0.1", port: mqtt.port, ca: readFileSync(ca, "utf8") },
      { devices: fleet, metric: "cluster", window: 5, perSecond: 20, patienceMs: 3_000, keepAliveS: 60 },
    );
    const goesOn = async (messages: number, withinMs: number) => {
      if (!(await load.more(messages, withinMs)))
        throw new Error(
          `fewer than ${messages} messages were acknowledged in ${withinMs} ms; ends: ${JSON.stringify([...load.ends])}`,
        );
    };
    const killed = { links: 0, intakes: 0, nats: 0, cuts: 0 };

    await step("devices are enrolled and acknowledged at three servers, none of which holds the authority's key", async () => {
      await goesOn(300, 30_000);
      if (mqtt.went.size !== 3) throw new Error(`connections went to ${JSON.stringify([...mqtt.went])}`);
    });
    await step("one server of devices is cut off: its devices come back at the others, and it may come back too", async () => {
      network.cable(1, "down");
      killed.cuts += 1;
      await goesOn(400, 40_000);
      network.cable(1, "up");
      await goesOn(200, 20_000);
    });
    await step("another one is killed: its devices come back at the others", async () => {
      await links[2]?.end("SIGKILL");
      killed.links += 1;
      await goesOn(400, 30_000);
    });
    await step("NATS is killed and started again twice: nothing is acknowledged meanwhile, and everything goes on", async () => {
      for (let round = 0; round < 2; round++) {
        await nats.kill();
        killed.nats += 1;
        await wait(1_500);
        await nats.start();
        await goesOn(200, 40_000);
      }
    });
    await step("the intake that applies is killed three times while it works: the other one takes its batch", async () => {
      for (let round = 0; round < 3; round++) {
        // Whichever of the two applies: each time another, and at least twice the one that does.
        const [victim, ...others] = intakes;
        await victim?.end("SIGKILL");
        killed.intakes += 1;
        intakes = [...others, await start(`intake-${round + 2}`, { roles: "intake" })];
        await goesOn(150, 30_000);
      }
    });
    await load.stop(5_000);
    await step("what was acknowledged is stored once", async () => {
      const verdict = await judge(client, load, 60_000);
      const law = {
        injected: killed.links + killed.intakes + killed.nats + killed.cuts,
        acknowledged: verdict.acknowledged,
        lost: verdict.lost.length,
        doubled: verdict.doubled.length,
        unacknowledgedButStored: verdict.unacknowledgedButStored,
      };
      console.log(
        JSON.stringify({
          suite: "cluster",
          durability: canSyncAlways(binary) ? "sync_interval: always, verified" : "default sync, trusted",
          ...killed,
          ...law,
        }),
      );
      if (law.lost + law.doubled > 0) throw new Error(`lost ${verdict.lost.slice(0, 5)}, doubled ${verdict.doubled.slice(0, 5)}`);
    });
    for (const [i, { address }] of network.hosts.slice(0, 2).entries())
      await step(`a device that is quarantined at the API is out at server ${i} within a second`, async () => {
        const device = fleet[i];
        if (device === undefined) throw new Error("There is no such device.");
        const ms = await outAfter({ host: address, ca: readFileSync(ca, "utf8"), device }, () =>
          client.call(operations.quarantineDevice, { params: { id: device.id }, body: { reason: "test" } }),
        );
        if (ms > 1_000) throw new Error(`it took ${Math.round(ms)} ms`);
      });
  } catch (error) {
    for (const { dataDir } of members) console.log(`${dataDir}:\n${(await readFile(join(dataDir, "log"), "utf8")).slice(-1_500)}`);
    throw error;
  } finally {
    await Promise.all([...members].map((member) => member.end("SIGKILL")));
    await rm(dir, { recursive: true, force: true, maxRetries: 3 });
  }
  return counts;
}

/** Where the server of a URL such as `postgresql://user:password@/name?host=/folder&port=5432` listens. */
function socketOf(url: string): { path: string } {
  const { searchParams, port } = new URL(url.replace("@/", "@localhost/"));
  return { path: join(searchParams.get("host") ?? "", `.s.PGSQL.${searchParams.get("port") ?? (port || 5432)}`) };
}

function overTcp(url: string, { host, port }: { host: string; port: number }): string {
  const moved = new URL(url.replace("@/", "@localhost/"));
  moved.search = "";
  return Object.assign(moved, { hostname: host, port: String(port) }).href;
}

type Launch = { dataDir: string; wrap: string[]; url: string | undefined; env: Record<string, string> };

/** A process of the platform; resolves when it is ready. */
async function startMember({ dataDir, wrap, url, env }: Launch): Promise<Member> {
  await mkdir(dataDir, { recursive: true });
  const doors = {
    TENFOLD_MQTT_PORT: String(ports.mqtt),
    TENFOLD_DEVICE_HTTPS_PORT: String(ports.https),
    TENFOLD_HTTP_PORT: String(ports.http),
  };
  const { PATH = "", HOME = "" } = process.env;
  const [program = process.execPath, ...words] = [
    ...endsWithUs("TERM"),
    ...wrap,
    process.execPath,
    "apps/platform/src/main.ts",
    "--data",
    dataDir,
  ];
  const child = spawn(program, words, { env: { PATH, HOME, ...doors, ...env }, stdio: ["ignore", "pipe", "pipe"] });
  const log = createWriteStream(join(dataDir, "log"));
  child.stdout.pipe(log);
  child.stderr.pipe(log);
  const alive = () => child.exitCode === null && child.signalCode === null;
  for (const deadline = Date.now() + 240_000; ; await wait(200)) {
    const found = url ?? (await announced(dataDir));
    const answer =
      found === undefined
        ? undefined
        : await fetch(`${found}/readyz`, { signal: AbortSignal.timeout(2_000) }).catch(() => undefined);
    if (found !== undefined && answer?.ok && (await announced(dataDir)) !== undefined)
      return {
        dataDir,
        url: found,
        pid: child.pid ?? 0,
        alive,
        async end(signal) {
          if (!alive()) return;
          const gone = once(child, "exit");
          child.kill(signal);
          await gone;
        },
      };
    if (!alive() || Date.now() > deadline)
      throw new Error(`${dataDir} did not become ready:\n${(await readFile(join(dataDir, "log"), "utf8")).slice(-2_000)}`);
  }
}

const announced = async (dataDir: string): Promise<string | undefined> => {
  try {
    return JSON.parse(await readFile(join(dataDir, "server.json"), "utf8")).url;
  } catch {
    return undefined;
  }
};

type Visit = { host: string; ca: string; device: EnrolledDevice };

/** Milliseconds from when the API has answered `bar` until the device's connection at that server is closed. */
async function outAfter({ host, ca, device }: Visit, bar: () => Promise<unknown>): Promise<number> {
  const socket = connect({ host, port: ports.mqtt, ca, cert: device.cert, key: device.key, servername: "localhost" });
  socket.on("error", () => {});
  const closed = once(socket, "close");
  await once(socket, "secureConnect");
  socket.write(
    generate({ cmd: "connect", protocolId: "MQTT", protocolVersion: 4, clientId: device.id, clean: true, keepalive: 60 }),
  );
  const [connack] = (await once(socket, "data")) as [Buffer];
  if (connack[3] !== 0) throw new Error(`CONNACK ${connack.toString("hex")}`);
  await bar();
  const began = performance.now();
  socket.resume();
  await closed;
  return performance.now() - began;
}
