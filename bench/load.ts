import { type ChildProcess, fork } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LatencyCounts } from "./latency.ts";
import type { FromClient, LoadOrders, LoadPhase, PhaseReport, ToClient } from "./load-client.ts";

export type LoadReport = Omit<PhaseReport, "ack"> & { ack: LatencyCounts };

/** Devices that are connected and wait to be told what to do. */
export type Load = AsyncDisposable & {
  connections: number;
  connectSeconds: number;
  /** CPU that the load itself used while it connected, seconds. */
  connectCpuSeconds: number;
  run(phase: LoadPhase): Promise<LoadReport>;
};

export type LoadWish = Omit<LoadOrders, "connectsAtOnce"> & { processes?: number; connectsAtOnce?: number };

/** Connects the devices from processes of their own. Rejects when one of them is refused. */
export async function startLoad({ processes = 1, connectsAtOnce = 32, ...orders }: LoadWish): Promise<Load> {
  const began = performance.now();
  const each = Math.ceil(orders.devices.length / processes);
  const clients = await Promise.all(
    Array.from({ length: processes }, (_, i) =>
      startClient({
        ...orders,
        devices: orders.devices.slice(i * each, (i + 1) * each),
        connectsAtOnce: Math.ceil(connectsAtOnce / processes),
      }),
    ),
  );
  const connectSeconds = (performance.now() - began) / 1_000;
  return {
    connections: clients.reduce((sum, client) => sum + client.connected.connections, 0),
    connectSeconds,
    connectCpuSeconds: clients.reduce((sum, client) => sum + client.connected.cpuSeconds, 0),
    async run(phase) {
      const part = phase.is === "pace" ? { ...phase, perSecond: phase.perSecond / processes } : phase;
      return together(await Promise.all(clients.map((client) => client.run(part))));
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(clients.map((client) => client.end()));
    },
  };
}

function together(reports: readonly PhaseReport[]): LoadReport {
  const ack = new LatencyCounts();
  for (const report of reports) ack.merge(report.ack);
  const sum = (read: (report: PhaseReport) => number) => reports.reduce((all, report) => all + read(report), 0);
  return {
    sent: sum((report) => report.sent),
    acknowledged: sum((report) => report.acknowledged),
    lost: sum((report) => report.lost),
    resumed: sum((report) => report.resumed),
    seconds: Math.max(...reports.map((report) => report.seconds)),
    cpuSeconds: sum((report) => report.cpuSeconds),
    ack,
  };
}

async function startClient(orders: LoadOrders) {
  const dir = await mkdtemp(join(tmpdir(), "tenfold-load-"));
  const file = join(dir, "orders.json");
  await writeFile(file, JSON.stringify(orders));
  const child = fork(join(import.meta.dirname, "load-client.ts"), [file], { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  const connected = await answerOf(child);
  await rm(dir, { recursive: true, force: true });
  if (connected.is !== "connected") throw new Error("The load client said something else than that it is connected.");
  const tell = (order: ToClient) => child.send(order);
  return {
    connected,
    async run(phase: LoadPhase): Promise<PhaseReport> {
      const answer = answerOf(child);
      tell({ do: "run", phase });
      const said = await answer;
      if (said.is !== "done") throw new Error("The load client did not report.");
      return said.report;
    },
    async end() {
      const exited = new Promise((resolve) => child.once("exit", resolve));
      tell({ do: "end" });
      await exited;
    },
  };
}

/** The next message of a client; rejects when it ends instead. */
function answerOf(child: ChildProcess): Promise<FromClient> {
  return new Promise((resolve, reject) => {
    const ended = (code: number | null) => reject(new Error(`The load client ended with ${code}.`));
    child.once("exit", ended);
    child.once("message", (message: FromClient) => {
      child.off("exit", ended);
      resolve(message);
    });
  });
}
