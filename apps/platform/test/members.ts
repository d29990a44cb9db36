import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type ApiClient, createClient } from "@tenfold/contracts";
import { type ClickHouseFront, clickHouseFront, findNatsServer, type NatsServer, startNatsServer } from "@tenfold/testkit";
import { readConfig } from "../src/config.ts";
import { createLog } from "../src/kernel/index.ts";
import { type ThrowAwayDatabase, throwAwayDatabase } from "../src/kernel/testing.ts";
import { type Platform, startPlatform } from "../src/platform.ts";
import type { Doors } from "./fleet.ts";
import { dataFolder } from "./folder.ts";
import { anyPorts } from "./world.ts";

/** One process of several that share their engines; here all are in the test's own process, with folders of their own. */
export type Member = {
  url: string;
  dataDir: string;
  doors: Doors;
  platform: Platform;
  logged: Record<string, unknown>[];
};

/** What the members share. */
export type Cluster = AsyncDisposable & {
  nats: NatsServer | undefined;
  /** Starts another process with these roles. */
  join(roles: string, env?: Record<string, string>): Promise<Member>;
  /** As the admin service account of a member with the role api. */
  clientOf(member: Member): Promise<ApiClient>;
};

/** Real PostgreSQL and, where asked for, real NATS; ClickHouse by the testkit's HTTP front over the embedded engine. */
export async function startCluster({ bus }: { bus: "nats" | "postgresql" }): Promise<Cluster> {
  const [database, store] = await Promise.all([throwAwayDatabase(), clickHouseFront()]);
  const nats = bus === "nats" ? await startNatsServer(findNatsServer() ?? "") : undefined;
  const blobs = await dataFolder();
  const members: Member[] = [];
  const folders: AsyncDisposable[] = [blobs];
  const env = sharedEnv({ database, store, nats, blobs: blobs.path });
  return {
    nats,
    async join(roles, more = {}) {
      const folder = await dataFolder();
      folders.push(folder);
      const logged: Record<string, unknown>[] = [];
      const platform = await startPlatform({
        config: readConfig({ env: { ...anyPorts, ...env, ...more }, flags: { data: folder.path, roles } }),
        log: createLog({ level: "info", write: (line) => logged.push(JSON.parse(line)) }),
        answers: "validate",
        processMetrics: "omit",
      });
      const member = { platform, logged, dataDir: folder.path, ...(await readMember(folder.path)) };
      members.push(member);
      return member;
    },
    async clientOf({ url, dataDir }) {
      const token = (await readFile(join(dataDir, "admin-token"), "utf8")).trim();
      return createClient({ baseUrl: url, token });
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(members.map(({ platform }) => platform.stop()));
      await nats?.[Symbol.asyncDispose]();
      await store[Symbol.asyncDispose]();
      await database[Symbol.asyncDispose]();
      for (const folder of folders) await folder[Symbol.asyncDispose]();
    },
  };
}

type Shared = { database: ThrowAwayDatabase; store: ClickHouseFront; nats: NatsServer | undefined; blobs: string };

const sharedEnv = ({ database, store, nats, blobs }: Shared): Record<string, string> => ({
  TENFOLD_DATABASE_URL: database.url,
  TENFOLD_CLICKHOUSE_URL: store.url,
  TENFOLD_BLOBS_DIR: blobs,
  ...(nats ? { TENFOLD_NATS_URL: nats.url, TENFOLD_NATS_SYNC: "trusted" } : {}),
});

async function readMember(dataDir: string): Promise<Pick<Member, "url" | "doors">> {
  const read = (...path: string[]) => readFile(join(dataDir, ...path), "utf8");
  const { url, deviceUrl = "", mqttUrl = "mqtts://localhost:0" } = JSON.parse(await read("server.json"));
  const mqttPort = Number(new URL(mqttUrl.replace("mqtts:", "https:")).port);
  return { url, doors: { deviceUrl, mqttPort, ca: await read("pki", "ca.pem") } };
}
