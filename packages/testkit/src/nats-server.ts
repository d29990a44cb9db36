import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { accessSync, constants } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { delimiter, join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { endsWithUs } from "./ends-with-us.ts";
import { ownFolder } from "./own-folder.ts";

/** The path of a `nats-server` on this machine: the one that TENFOLD_TEST_NATS_SERVER names, else the first on the PATH. */
export function findNatsServer(): string | undefined {
  const named = process.env.TENFOLD_TEST_NATS_SERVER;
  // Debian puts it where only root looks.
  const places = named
    ? [named]
    : [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin"].map((folder) => join(folder, "nats-server"));
  return places.find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** Whether this server knows `sync_interval: always`: 2.10 and newer. */
export function canSyncAlways(binary: string): boolean {
  const [, major = "0", minor = "0"] = /v(\d+)\.(\d+)/.exec(execFileSync(binary, ["--version"], { encoding: "utf8" })) ?? [];
  return Number(major) > 2 || (Number(major) === 2 && Number(minor) >= 10);
}

export type NatsServer = AsyncDisposable & {
  url: string;
  monitorUrl: string;
  /** `kill -9`, and later the same server on the same folder and port. */
  kill(): Promise<void>;
  start(): Promise<void>;
  pid(): number;
};

/** A real server of a test's own, in a folder of its own. */
export async function startNatsServer(
  binary: string,
  { host = "127.0.0.1", sync = canSyncAlways(binary) } = {},
): Promise<NatsServer> {
  const dir = await ownFolder("test-nats");
  const [port, http] = [await freePort(host), await freePort(host)];
  const config = join(dir, "nats.conf");
  const interval = sync ? "sync_interval: always" : "";
  await writeFile(
    config,
    `host: "${host}"\nport: ${port}\nhttp: "${host}:${http}"\njetstream { store_dir: "${dir}/js"\n max_file_store: 1TB\n ${interval} }\n`,
  );
  let child: ChildProcess | undefined;
  const monitorUrl = `http://${host}:${http}`;
  const start = async () => {
    const [program = binary, ...words] = [...endsWithUs("KILL"), binary, "-c", config];
    child = spawn(program, words, { stdio: "ignore" });
    // It must not keep alive whoever forgets it, nor outlive who ends.
    child.unref();
    const orphan = child;
    process.once("exit", () => orphan.kill("SIGKILL"));
    for (let tries = 0; tries < 200; tries++) {
      const well = await fetch(`${monitorUrl}/healthz`).then(
        ({ ok }) => ok,
        () => false,
      );
      if (well) return;
      if (child.exitCode !== null) throw new Error(`nats-server ended with ${child.exitCode}.`);
      await pause(25);
    }
    throw new Error("nats-server is not ready after 5 s.");
  };
  const kill = async () => {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    // What is waited for must keep the process alive meanwhile.
    child.ref();
    const gone = once(child, "exit");
    child.kill("SIGKILL");
    await gone;
  };
  await start();
  return {
    url: `nats://${host}:${port}`,
    monitorUrl,
    kill,
    start,
    pid: () => child?.pid ?? 0,
    async [Symbol.asyncDispose]() {
      await kill();
      await rm(dir, { recursive: true, force: true, maxRetries: 3 });
    },
  };
}

async function freePort(host: string): Promise<number> {
  const server = createServer().listen(0, host);
  await once(server, "listening");
  const address = server.address();
  server.close();
  return typeof address === "object" && address !== null ? address.port : 0;
}
