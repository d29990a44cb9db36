import { readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { days } from "@tenfold/base";
import { type FleetArguments, UsageError } from "../options.ts";
import { type RunningFleet, runFleet, sayOn, summaryOf, untilSignal } from "../run.ts";
import { planReplay } from "./plan.ts";
import { readRecording } from "./read-recording.ts";
import type { Recording } from "./recording.ts";
import { replay } from "./replay.ts";

/** Devices that have no link after this long are not waited for: the replay fails and says which. */
const connectPatienceMs = 120_000;
/** The platform takes device times of the last year. */
const longest = days(365);

/** Plays one recording; exit code 0 when every point was acknowledged. */
export async function replayFile(args: FleetArguments): Promise<number> {
  const say = sayOn(args);
  const recording = limited(open(args.file ?? ""), args.limit);
  const plan = planReplay(recording, { prefix: args.prefix, endsAt: Date.now() });
  const { rows, malformed, ...told } = recording;
  const [first = 0] = rows.map(({ at }) => at).toSorted((a, b) => a - b);
  const end = rows.reduce((latest, { at }) => Math.max(latest, at), first);
  if (end - first > longest)
    throw new UsageError(`${args.file} spans more than 365 days; the platform would not believe the older times.`);
  const about = {
    file: args.file,
    ...told,
    rows: rows.length,
    malformed: malformed.length,
    malformedLines: malformed.slice(0, 50),
    shiftMs: plan.shiftMs,
    points: plan.points,
  };
  say({ event: "replay", phase: "planned", devices: plan.devices.size, ...about });

  const running = await runFleet(args, { ids: [...plan.devices.keys()], say, telemetry: "none" });
  const stopped = new AbortController();
  void untilSignal().then(() => stopped.abort());
  await untilConnected(running, stopped.signal);
  const startedAt = performance.now();
  const result = await replay({ plan, link: (device) => running.fleet.link(device), speed: args.speed, signal: stopped.signal });
  const seconds = Math.round(performance.now() - startedAt) / 1_000;
  const summary = summaryOf(running);
  await running.stop();
  say({ ...summary, replay: { ...about, devices: plan.devices.size, ...result, seconds, series: plan.series } });
  return result.pointsAcked === plan.points ? 0 : 1;
}

function open(path: string): Recording {
  const recording = readRecording(path, readFileSync(path));
  if (recording === undefined || recording.rows.length === 0)
    throw new UsageError(`${path} is no recording that can be played: singlehop, library or nab.`);
  return recording;
}

const limited = (recording: Recording, limit: number | undefined): Recording =>
  limit === undefined ? recording : { ...recording, rows: recording.rows.slice(0, limit) };

async function untilConnected({ fleet, ids }: RunningFleet, signal: AbortSignal): Promise<void> {
  const until = performance.now() + connectPatienceMs;
  while (!signal.aborted) {
    const missing = ids.filter((id) => fleet.link(id) === undefined);
    if (missing.length === 0) return;
    if (performance.now() > until)
      throw new Error(`These devices did not connect within ${connectPatienceMs / 1_000} s: ${missing.slice(0, 10).join(", ")}`);
    await pause(100, undefined, { signal }).catch(() => {});
  }
}
