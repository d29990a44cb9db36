import { createClient } from "@tenfold/contracts";
import { burntIn, manufacture, registerWithPlatform } from "./factory.ts";
import { type Fleet, startFleet } from "./fleet/fleet.ts";
import type { FleetArguments } from "./options.ts";
import { createSay, type Said, type Say } from "./progress.ts";

export type RunningFleet = { fleet: Fleet; ids: readonly string[]; seconds: () => number; stop(): Promise<void> };

const statusEveryMs = 2_000;

/** `sim-0001`, `sim-0002`, …: as many digits as the count needs, and at least four. */
export const deviceIds = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, i) => `${prefix}-${String(i + 1).padStart(Math.max(4, String(count).length), "0")}`);

/** Makes the devices, registers them, switches them on and reports until it is stopped. */
export async function runFleet(
  args: FleetArguments,
  { ids, say, telemetry }: { ids: readonly string[]; say: Say; telemetry: "signals" | "none" },
): Promise<RunningFleet> {
  const startedAt = performance.now();
  const seconds = () => Math.round((performance.now() - startedAt) / 100) / 10;
  const client = createClient({ baseUrl: args.api, token: args.token });
  const { files, made, manufacturer } = await manufacture({
    folder: args.state,
    seed: args.seed,
    ids,
    model: args.model,
    version: args.version,
  });
  const registered = await registerWithPlatform(client, { manufacturer, files, seed: args.seed });
  say({ event: "factory", devices: files.length, made, ...registered, state: args.state });

  const keys = burntIn(client, args);
  const fleet = startFleet({
    files,
    folder: args.state,
    seed: args.seed,
    httpsUrl: args.deviceUrl,
    mqttUrl: args.mqttUrl,
    ca: args.ca,
    heartbeatMs: args.heartbeatMs,
    telemetryMs: args.telemetryMs,
    profile: args.profile,
    telemetry,
    rebootMs: 1_000,
    wrongClocks: args.wrongClocks,
    trustedKeys: keys.current,
    roots: keys.roots,
    onEvent: say,
  });
  const told = { enrolled: false, connected: false };
  const watching = setInterval(() => {
    const { enrolled, connected } = fleet.tally.numbers();
    if (!told.enrolled && enrolled === ids.length) say({ event: "all_enrolled", count: enrolled, seconds: seconds() });
    if (!told.connected && connected === ids.length) say({ event: "all_connected", count: connected, seconds: seconds() });
    told.enrolled ||= enrolled === ids.length;
    told.connected ||= connected === ids.length;
  }, 200);
  const reporting = setInterval(
    () => say({ event: "status", at: new Date().toISOString(), seconds: seconds(), ...fleet.tally.numbers() }),
    statusEveryMs,
  );
  return {
    fleet,
    ids,
    seconds,
    async stop() {
      clearInterval(watching);
      clearInterval(reporting);
      keys.stop();
      await fleet.stop();
    },
  };
}

export const sayOn = ({ jsonl }: FleetArguments): Say => createSay({ jsonl, write: (line) => void process.stdout.write(line) });

/** The last word, as the fleet stands before it is switched off. */
export function summaryOf({ fleet, seconds }: RunningFleet): Extract<Said, { event: "summary" }> {
  return { event: "summary", seconds: seconds(), ...fleet.tally.numbers(), brickedDevices: fleet.tally.brickedDevices() };
}

/** Links that do not close in this time are left to the system. */
const drainMs = 10_000;

/**
 * Resolves at the first SIGTERM or SIGINT. Later ones are not heard: Ctrl-C in a terminal reaches this process twice, once itself and once
 * through the program that started it.
 */
export const untilSignal = (): Promise<void> =>
  new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      process.on(signal, () => {
        setTimeout(() => process.exit(1), drainMs).unref();
        resolve();
      });
    }
  });
