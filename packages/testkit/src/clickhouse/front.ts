import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/**
 * The part of ClickHouse's HTTP interface that the platform uses, over an embedded engine in a process of its own. It stands in for a
 * ClickHouse server where none can be installed: protocol and SQL are real, replication and clusters are not there.
 */
export type ClickHouseFront = AsyncDisposable & { url: string };

const startMs = 30_000;

/** `await using front = await clickHouseFront()`: an empty engine at `front.url`; its process and folder go when it is disposed of. */
export async function clickHouseFront(): Promise<ClickHouseFront> {
  const folder = await mkdtemp(join(tmpdir(), "tenfold-test-clickhouse-"));
  const child = fork(fileURLToPath(new URL("front-process.ts", import.meta.url)), [folder], {
    execArgv: [],
    env: { TZ: "UTC" },
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  const ended = once(child, "exit");
  const dispose = async () => {
    child.kill("SIGKILL");
    await ended;
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const [{ port }] = (await once(child, "message", { signal: AbortSignal.timeout(startMs) })) as [{ port: number }];
    return { url: `http://127.0.0.1:${port}`, [Symbol.asyncDispose]: dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}
