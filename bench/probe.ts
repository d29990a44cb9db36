import { readFile } from "node:fs/promises";
import { setTimeout as wait } from "node:timers/promises";
import { api, createClient } from "@tenfold/contracts";
import { connectAsync } from "mqtt";
import type { Platform } from "../tools/faults/platform.ts";
import type { EnrolledDevice } from "./fleet.ts";

export type Probe = AsyncDisposable & {
  /** Publishes one message and asks for it until a query shows it: milliseconds from publishing to the answer that has it. */
  visibleMs(): Promise<number>;
};

const askEveryMs = 15;

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
  return {
    async visibleMs() {
      const n = next++;
      const [began, from] = [performance.now(), new Date(Date.now() - 1).toISOString()];
      client.publish(`devices/${id}/telemetry`, JSON.stringify({ ts: Date.now(), n }), { qos: 1 });
      for (;;) {
        const { points } = await operator.call(api.getDeviceTelemetry, { params: { id }, query: { metric: "n", from } });
        if (points.some(({ v }) => v === n)) return performance.now() - began;
        await wait(askEveryMs);
      }
    },
    async [Symbol.asyncDispose]() {
      await client.endAsync(true);
    },
  };
}
