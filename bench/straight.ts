import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { migrateStore, openChdbStore, silentLog } from "../apps/platform/src/kernel/index.ts";
import { createTelemetryDecoder } from "../apps/platform/src/telemetry/decode.ts";
import type { Item } from "../apps/platform/src/telemetry/intake.shell.ts";
import type { Points } from "../apps/platform/src/telemetry/point.ts";
import { columnsOf } from "../apps/platform/src/telemetry/point-columns.shell.ts";
import { insertPoints } from "../apps/platform/src/telemetry/store.ts";
import { payloadShape } from "./load-device.ts";
import { cpuOf } from "./processes.ts";

const atOnce = 20_000;

/** The load's payloads decoded and put into a store of their own, with no network, no journal and no device in between: what a message costs at least. */
export async function straightToStore(messages: number): Promise<{ messagesPerSecond: number; cpuMicros: number }> {
  const folder = await mkdtemp(join(tmpdir(), "tenfold-straight-"));
  const store = await openChdbStore({ path: folder, log: silentLog });
  try {
    await migrateStore(store, { log: silentLog });
    const decode = createTelemetryDecoder();
    const payload = Buffer.from(payloadShape);
    const cpu = async () => (await cpuOf([store.pid() ?? 0])) * 1e6 + process.cpuUsage().user + process.cpuUsage().system;
    const [before, began] = [await cpu(), performance.now()];
    for (let done = 0; done < messages; done += atOnce) {
      const items = Array.from({ length: atOnce }, (_, i) => itemOf(decode, payload, `load-${i % 1_000}`));
      const points = columnsOf(items);
      const rows = Array.from({ length: points.rows }, (_, row) => row);
      await insertPoints(store, { points, rows }, { token: `straight-${done}`, again: false });
    }
    return { messagesPerSecond: (messages / (performance.now() - began)) * 1_000, cpuMicros: ((await cpu()) - before) / messages };
  } finally {
    await store.close();
    await rm(folder, { recursive: true, force: true });
  }
}

function itemOf(decode: ReturnType<typeof createTelemetryDecoder>, payload: Buffer, device: string): Item<Points> {
  const message = {
    device,
    scope: { fleet: "main" },
    channel: "telemetry",
    payload,
    receivedAt: Date.now(),
    transport: "mqtt",
  } as const;
  const read = decode(payload, message);
  if (read.is === "refused") throw new Error(read.detail);
  return { message, value: read.value };
}
