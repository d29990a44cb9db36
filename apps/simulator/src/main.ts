import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { describeError, Problem } from "@tenfold/base";
import { makeSimFirmware } from "@tenfold/testkit";
import { help } from "./help.ts";
import { type FleetArguments, readFirmwareArguments, readFleetArguments, UsageError } from "./options.ts";
import { replayFile } from "./replay/run-replay.ts";
import { deviceIds, runFleet, sayOn, summaryOf, untilSignal } from "./run.ts";

/** `node apps/simulator/src/main.ts start|replay|firmware …`. Exit codes: 0 ok, 1 failed, 2 usage. */
async function main([command, ...args]: string[]): Promise<number> {
  if (command === undefined || command === "help" || [command, ...args].some((one) => one === "--help" || one === "-h")) {
    console.log(help);
    return command === undefined ? 2 : 0;
  }
  switch (command) {
    case "start":
      return start(readFleetArguments(command, args));
    case "replay":
      return replayFile(readFleetArguments(command, args));
    case "firmware":
      return firmware(args);
    default:
      throw new UsageError(`There is no command ${command}: start, replay or firmware.`);
  }
}

async function start(args: FleetArguments): Promise<number> {
  const say = sayOn(args);
  const running = await runFleet(args, { ids: deviceIds(args.prefix, args.devices), say, telemetry: "signals" });
  await untilSignal();
  const summary = summaryOf(running);
  await running.stop();
  say(summary);
  return 0;
}

function firmware(args: string[]): number {
  const { version, shares, size, out } = readFirmwareArguments(args);
  const bytes = makeSimFirmware({ version, ...shares }, size);
  writeFileSync(out, bytes);
  console.log(
    JSON.stringify({ out, version, size: bytes.length, sha256: createHash("sha256").update(bytes).digest("hex"), ...shares }),
  );
  return 0;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  const usage = error instanceof UsageError;
  console.error(
    `${describeError(error)}${error instanceof Problem && error.fix ? `\n${error.fix}` : ""}${usage ? "\nSee --help." : ""}`,
  );
  process.exitCode = usage ? 2 : 1;
}
