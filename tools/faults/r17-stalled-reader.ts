import { readFileSync } from "node:fs";
import { setTimeout as wait } from "node:timers/promises";
import { connect } from "node:tls";
import { generate } from "mqtt-packet";
import { memoryOf } from "../../bench/processes.ts";
import type { Fault, Stage } from "./fault.ts";
import type { Platform } from "./platform.ts";

const megabyte = 1024 * 1024;
const messages = 40_000;

export const fault: Fault = {
  id: "R17",
  name: "stalled-reader",
  injected: "a device that sends 40,000 messages and requests and reads nothing that comes back, until its window is zero",
  holds: ["the other devices' acknowledgements go on as before", "the platform's memory grows by less than 60 MB"],
  needs: ["linux"],
  async run(stage) {
    // Its pace is held as usual; the other devices stay below theirs.
    const platform = await stage.start({ env: { TENFOLD_DEVICE_MESSAGES_PER_SECOND: "100", TENFOLD_DEVICE_BURST: "1000" } });
    const load = stage.load({ devices: stage.devices().slice(1), perSecond: 60 });
    await load.more(500, 20_000);
    const p99 = async () => {
      load.latencies();
      await wait(3_000);
      return percentile(load.latencies(), 0.99);
    };
    const before = await p99();
    const memory = await memoryOf([platform.pid]);
    const stalled = await stall(stage, platform);
    const during = await p99();
    const grown = ((await memoryOf([platform.pid])) - memory) / megabyte;
    stalled.destroy();
    const after = await p99();
    const figures = [before, during, after].map((ms) => ms.toFixed(1)).join(" / ");
    stage.note(`p99 of the others before / during / after: ${figures} ms; the platform's process has ${grown.toFixed(1)} MB more`);
    // Where the machine is so busy that it is slow without, it is held to what it is without.
    stage.holds(
      "the others' p99 stays within 50 ms, or three times what it is without",
      during <= Math.max(50, 3 * Math.max(before, after)),
      `${figures} ms`,
    );
    stage.holds("memory grows by less than 60 MB", grown < 60, `${grown.toFixed(1)} MB`);
    return { injected: 1 };
  },
};

/** Writes all it can and never reads. */
async function stall(stage: Stage, platform: Platform) {
  const [device] = stage.devices();
  if (device === undefined) throw new Error("There is no device to stall.");
  const { cert, key, id } = device;
  const socket = connect({
    host: "127.0.0.1",
    port: platform.mqttPort,
    ca: readFileSync(platform.ca, "utf8"),
    cert,
    key,
    servername: "localhost",
  });
  socket.on("error", () => {});
  await new Promise<void>((resolve, reject) => socket.once("secureConnect", resolve).once("error", reject));
  socket.pause();
  socket.write(generate({ cmd: "connect", protocolId: "MQTT", protocolVersion: 4, clientId: id, clean: true, keepalive: 60 }));
  for (let i = 0; i < messages; i++) {
    const payload = JSON.stringify({ stalled: i });
    const topic = `devices/${id}/telemetry`;
    socket.write(generate({ cmd: "publish", topic, payload, qos: 1, messageId: (i % 65_535) + 1, dup: false, retain: false }));
    // Each of these is answered, and the answer is never read.
    socket.write(generate({ cmd: "pingreq" }));
    // The other devices live in this process too: what is measured must not be our own loop.
    if (i % 100 === 99) await wait(1);
  }
  return socket;
}

const percentile = (values: number[], share: number): number =>
  values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))] ?? Number.POSITIVE_INFINITY;
