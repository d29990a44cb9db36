/** What devices say: every decoder takes what it understands and refuses the rest with a reason; it never throws. */
import { gzipSync, zstdCompressSync } from "node:zlib";
import { defaultScope, Problem } from "@tenfold/base";
import { deploymentReport } from "@tenfold/contracts";
import { readCommandResult } from "../../apps/platform/src/commands/command.ts";
import { readBatch } from "../../apps/platform/src/links/batch.ts";
import { unpack } from "../../apps/platform/src/links/unpack.shell.ts";
import { readReportedPatch } from "../../apps/platform/src/registry/index.ts";
import { decodeEvent, decodeHeartbeat, decodeLogs, decodeTelemetry } from "../../apps/platform/src/telemetry/decode.ts";
import { bySchema } from "../../apps/platform/src/telemetry/index.ts";
import { mutate, pick } from "./mutate.ts";
import { pure, type Target } from "./target.ts";

const message = (payload: Buffer) =>
  ({
    device: "pump-1",
    scope: defaultScope,
    channel: "telemetry",
    payload,
    receivedAt: Date.UTC(2026, 0),
    transport: "mqtt",
  }) as const;

const measurements = [
  '{"ts":1767225600000,"temperature":21.5,"door":"open","ok":true}',
  '{"time":"2026-01-01T00:00:00Z","a":-1e-3,"b":false}',
  '[{"bn":"pump/","bt":1767225600,"bu":"Cel","n":"t","v":21.5},{"n":"h","u":"%RH","vs":"wet"},{"n":"f","vb":true,"t":-5},{"n":"d","vd":"AAEC"}]',
  '[{"bver":10,"bn":"x:","bs":1,"s":2,"n":"sum"},{"n":"a","v":1e3,"ut":60}]',
].map((text) => Buffer.from(text));

const packs = [
  "82a5216570756d702f221a6955b90000617401634365 6c02fb4035800000000000a20061680363776574",
  "81a3006174021815061a6955b900",
  "9fa200617402fb4034000000000000ff",
  "82a2006162 04f5a300617308426162 0639012b",
  // A flat object in CBOR, and a payload of Sparkplug B.
  "a26174f94d0061686377 6574",
  "0880d0eab6b733120e0a0161200a6900000000008035401800",
].map((hex) => Buffer.from(hex.replaceAll(" ", ""), "hex"));

const heartbeats = [
  '{"seq":3,"bootId":"b1","uptimeS":10,"leaseS":60,"monoS":10,"clock":"synced","time":"2026-01-01T00:00:00Z","firmware":{"version":"1.2.3","hash":"' +
    "ab".repeat(32) +
    '","slot":"a","state":"trial"},"model":"pump","power":{"source":"mains","mv":3300,"level":0.5},"net":{"bearer":"lte","rssi":-70,"reconnects":2},"queue":{"depth":0,"oldestAgeS":0},"counters":{"resets":1}}',
].map((text) => Buffer.from(text));
const events = ['{"type":"door_open","severity":"warning","at":"2026-01-01T00:00:00Z","detail":{"a":[1,{"b":null}]}}'].map((text) =>
  Buffer.from(text),
);
const logs = ['{"lines":[{"at":"2026-01-01T00:00:00Z","level":"error","text":"it broke"},{"level":"info","text":"x"}]}'].map(
  (text) => Buffer.from(text),
);
const reports = [
  '{"state":"failed","reason":"install_other","detail":"flash","progress":0.5,"at":"2026-01-01T00:00:00Z"}',
  '{"state":"downloading","progress":0.5}',
].map((text) => Buffer.from(text));

const results = [
  '{"status":"succeeded","code":"ok","detail":"done","output":{"a":[1,null]}}',
  '{"status":"failed","detail":"no"}',
].map((text) => Buffer.from(text));
const batches = [
  '{"topic":"telemetry","payload":{"t":21.5},"seq":1,"boot":"b"}\n{"topic":"events","payload":{"type":"x","severity":"info"}}\n\n{"topic":"commands/cmd_1/result","base64":"e30="}',
].map((text) => Buffer.from(text));
const bodies = [...batches, ...measurements, Buffer.alloc(100_000)];
const packed = bodies.flatMap((body) => [gzipSync(body), zstdCompressSync(body)]);
const mostUnpacked = 64 * 1_024;

type Answer = { is: "ok"; value: unknown } | { is: "refused"; because: string; detail: string };

const decoder = (name: string, weight: number, corpus: Buffer[], decode: (payload: Buffer) => Answer): Target =>
  pure(name, weight, () => {
    // Changes to what is refused anyway would prove little.
    for (const payload of corpus) assertTaken(decode(payload), payload);
    return (random) => assertUsable(decode(mutate(random, corpus)));
  });

function assertTaken(answer: Answer, payload: Buffer): void {
  if (answer.is === "refused")
    throw new Error(`the input to start from is refused: ${answer.detail} ${payload.toString("latin1")}`);
}

function assertUsable(answer: Answer): void {
  if (answer.is === "refused" && (answer.because === "" || answer.detail.length > 1_000))
    throw new Error(`refused without a usable reason: ${JSON.stringify(answer).slice(0, 200)}`);
}

const decodeReport = bySchema(deploymentReport, "deployment_report_invalid");

export const payloadTargets: Target[] = [
  pure("telemetry", 22, () => {
    for (const payload of [...measurements, ...packs]) assertTaken(decodeTelemetry(payload, message(payload)), payload);
    return (random) => {
      const payload = mutate(random, random() < 0.5 ? measurements : packs);
      const answer = decodeTelemetry(payload, message(payload));
      if (answer.is === "refused") return;
      // In the store NaN says that the value is a text.
      for (const point of answer.value)
        if (Number.isNaN(point.v) || !Number.isFinite(point.at))
          throw new Error(`a point that cannot be stored: ${JSON.stringify(point)}`);
    };
  }),
  decoder("heartbeat", 8, heartbeats, (payload) => decodeHeartbeat(payload, message(payload))),
  decoder("event", 5, events, (payload) => decodeEvent(payload, message(payload))),
  decoder("logs", 5, logs, (payload) => decodeLogs(payload, message(payload))),
  decoder("reported-state", 4, [...measurements.slice(0, 2), ...events], readReportedPatch),
  decoder("command-result", 4, results, readCommandResult),
  pure("batch", 6, () => {
    for (const batch of batches)
      for (const line of readBatch(batch))
        if (line.is === "refused") throw new Error(`the batch to start from is refused: ${line.detail}`);
    return (random) => {
      for (const line of readBatch(mutate(random, batches)))
        if (line.is === "refused" && (line.because === "" || line.detail.length > 1_000))
          throw new Error(`refused without a usable reason: ${JSON.stringify(line).slice(0, 200)}`);
    };
  }),
  pure("packed-body", 4, () => async (random) => {
    const body = mutate(random, packed);
    try {
      const open = await unpack(body, pick(random, ["gzip", "zstd", "x-gzip", "identity", "br", ""]), mostUnpacked);
      if (open.length > Math.max(mostUnpacked, body.length)) throw new Error(`${open.length} bytes came out of ${body.length}`);
    } catch (error) {
      if (!(error instanceof Problem) || error.status >= 500) throw error;
    }
  }),
  decoder("deployment-report", 4, reports, (payload) => decodeReport(payload, message(payload))),
];
