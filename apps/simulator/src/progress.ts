import type { FleetEvent } from "./fleet/fleet.ts";
import type { Numbers } from "./fleet/tally.ts";

/** Everything that the simulator says on standard output, one a line. Scripts read it with `--jsonl` (docs/operate/simulator.md). */
export type Said =
  | {
      event: "factory";
      devices: number;
      made: number;
      anchor: "created" | "already";
      expected: number;
      already: number;
      state: string;
    }
  | ({ event: "status"; at: string; seconds: number } & Numbers)
  | { event: "all_enrolled" | "all_connected"; count: number; seconds: number }
  | { event: "replay"; [key: string]: unknown }
  | FleetEvent
  | ({ event: "summary"; seconds: number; brickedDevices: string[] } & Numbers & { replay?: unknown });

export type Say = (said: Said) => void;

export function createSay({ jsonl, write }: { jsonl: boolean; write: (line: string) => void }): Say {
  return (said) => {
    const line = jsonl || said.event === "summary" ? JSON.stringify(said) : forPeople(said);
    if (line !== undefined) write(`${line}\n`);
  };
}

/** One line, or nothing for what people need not see a thousand times. */
function forPeople(said: Said): string | undefined {
  switch (said.event) {
    case "factory":
      return `factory    ${said.devices} devices (${said.made} new), trust anchor ${said.anchor}, manifest ${said.expected} new and ${said.already} known; state in ${said.state}`;
    case "status": {
      const versions = Object.entries(said.versions).map(([version, count]) => `${version}×${count}`);
      return `status     ${said.connected}/${said.devices} connected, ${said.enrolled} enrolled, ${said.messages} messages, ${said.acked} acknowledged (p95 ${said.ackP95Ms} ms), ${said.failed} failed, ${said.bricked} bricked; ${versions.join(" ")}`;
    }
    case "all_enrolled":
      return `enrolled   all ${said.count} devices after ${said.seconds} s`;
    case "all_connected":
      return `connected  all ${said.count} devices after ${said.seconds} s`;
    case "bricked":
      return `bricked    ${said.device} by ${said.version}: it will never speak again`;
    case "rolled_back":
      return `fell back  ${said.device}: ${said.detail ?? ""}`;
    case "refused":
      return `refused    ${said.device}: ${said.detail ?? ""}`;
    case "trouble":
      return `trouble    ${said.device}: ${said.detail ?? ""}`;
    case "replay":
      return `replay     ${JSON.stringify(said)}`;
    default:
      return undefined;
  }
}
