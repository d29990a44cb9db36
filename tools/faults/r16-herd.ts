import { readFile } from "node:fs/promises";
import { connect, type TLSSocket } from "node:tls";
import { generate } from "mqtt-packet";
import { type EnrolledDevice, enrollFleet } from "../../bench/fleet.ts";
import type { Fault } from "./fault.ts";

const crowd = 400;
const withinMs = 40_000;

export const fault: Fault = {
  id: "R16",
  name: "herd",
  injected: "400 devices lose their connections at once and come back at the same instant, twice",
  holds: ["every device is connected again within 40 s", "connections that stayed are not cut"],
  needs: [],
  async run(stage) {
    const platform = await stage.start();
    const herd = await enrollFleet(platform, { prefix: "herd", devices: crowd });
    const target = { port: platform.mqttPort, ca: await readFile(platform.ca, "utf8") };
    const load = stage.load({ perSecond: 20 });
    let open = await Promise.all(herd.map((device) => comesBack(device, target)));
    for (let storm = 0; storm < 2; storm++) {
      load.latencies();
      for (const socket of open) socket.destroy();
      const began = performance.now();
      open = await Promise.all(herd.map((device) => comesBack(device, target)));
      const tookMs = performance.now() - began;
      stage.holds("every device is connected again", tookMs <= withinMs, `${(tookMs / 1_000).toFixed(1)} s`);
      const p99 =
        load
          .latencies()
          .toSorted((a, b) => a - b)
          .at(-1) ?? 0;
      stage.note(
        `${crowd} devices back in ${(tookMs / 1_000).toFixed(1)} s; slowest acknowledgement of the others ${p99.toFixed(0)} ms`,
      );
    }
    stage.holds(
      "those that stayed were not cut",
      [...load.ends.values()].reduce((sum, n) => sum + n, 0) === 0,
      [...load.ends.keys()].join("; "),
    );
    for (const socket of open) socket.destroy();
    await load.stop();
    return { injected: 2 * crowd };
  },
};

/** Tries at once and again after each refusal, without the manners that the platform asks for. */
async function comesBack(device: EnrolledDevice, target: { port: number; ca: string }): Promise<TLSSocket> {
  for (const deadline = performance.now() + 2 * withinMs; ; ) {
    const socket = await tryOnce(device, target).catch(() => undefined);
    if (socket !== undefined) return socket;
    if (performance.now() > deadline) throw new Error(`${device.id} did not come back`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

function tryOnce({ id, cert, key }: EnrolledDevice, { port, ca }: { port: number; ca: string }): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: "127.0.0.1", port, ca, cert, key, servername: "localhost" });
    socket.setTimeout(20_000, () => socket.destroy(new Error("no answer")));
    socket.on("error", reject);
    socket.once("close", () => reject(new Error("closed")));
    socket.once("secureConnect", () =>
      socket.write(generate({ cmd: "connect", protocolId: "MQTT", protocolVersion: 4, clientId: id, clean: true, keepalive: 120 })),
    );
    socket.once("data", (answer) => {
      socket.setTimeout(0);
      if (answer[0] === 0x20 && answer[3] === 0) resolve(socket);
      else socket.destroy(new Error("refused"));
    });
  });
}
