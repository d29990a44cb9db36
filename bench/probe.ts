import { readFile } from "node:fs/promises";
import { setTimeout as wait } from "node:timers/promises";
import { api, createClient } from "@tenfold/contracts";
import { connectAsync } from "mqtt";
import type { Platform } from "../tools/faults/platform.ts";
import type { EnrolledDevice } from "./fleet.ts";
import { LatencyCounts } from "./latency.ts";

export type Probe = AsyncDisposable & {
  /** Publishes one message and asks for it until a query shows it: milliseconds from publishing to the answer that has it. */
  visibleMs(): Promise<number>;
  /** The same for a message every 50 ms, for so long, with few enough questions that they are no load of their own; each time is up to 50 ms too long. */
  watch(forMs: number): Promise<LatencyCounts>;
};

const askEveryMs = 15;
const watchEveryMs = 50;

/** A device of its own beside the load, watched through the API: what an operator would see, and when. */
export async function openProbe(
  platform: Pick<Platform, "url" | "token" | "mqttPort" | "ca">,
  { id, cert, key }: EnrolledDevice,
): Promise<Probe> {
  const operator = createClient({ baseUrl: platform.url, token: platform.token });
  const client = await connectAsync({
    ...{ host: "127.0.0.1", port: platform.mqttPort, protocol: "mqtts", clientId: id, cert, key },
    ca: await readFile(platform.ca, "utf8"),
    rejectUnauthorized: false,
  });

  let next = 1;
  const publish = () => {
    const n = next++;
    const sent = { n, began: performance.now(), from: new Date(Date.now() - 1).toISOString() };
    client.publish(`devices/${id}/telemetry`, JSON.stringify({ ts: Date.now(), n }), { qos: 1 });
    return sent;
  };
  const shown = async (from: string) => {
    const { points } = await operator.call(api.getDeviceTelemetry, { params: { id }, query: { metric: "n", from } });
    return new Set(points.map(({ v }) => v));
  };
  return {
    async visibleMs() {
      const { n, began, from } = publish();
      for (;;) {
        if ((await shown(from)).has(n)) return performance.now() - began;
        await wait(askEveryMs);
      }
    },
    async watch(forMs) {
      const [counts, until] = [new LatencyCounts(), performance.now() + forMs];
      let away: ReturnType<typeof publish>[] = [];
      while (performance.now() < until || away.length > 0) {
        if (performance.now() < until) away.push(publish());
        await wait(watchEveryMs);
        const [oldest] = away;
        const here = oldest ? await shown(oldest.from) : new Set();
        const now = performance.now();
        for (const { began } of away.filter(({ n }) => here.has(n))) counts.add(now - began);
        away = away.filter(({ n }) => !here.has(n));
      }
      return counts;
    },
    async [Symbol.asyncDispose]() {
      await client.endAsync(true);
    },
  };
}
