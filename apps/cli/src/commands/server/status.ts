import { api } from "@tenfold/contracts";
import type { Command } from "commander";
import { facts } from "../../output.ts";
import { addVerb } from "../../verb.ts";
import { countsLine } from "../rollout/describe.ts";

export function statusCommand(program: Command): void {
  addVerb(program, {
    usage: "status",
    summary: "Is the fleet all right? In a few lines",
    async run(session) {
      const client = await session.client();
      const [version, devices, rollouts, alerts] = await Promise.all([
        client.call(api.getVersion, {}),
        client.call(api.summarizeDevices, { query: {} }),
        client.call(api.listRollouts, { query: { limit: 20 } }),
        client.call(api.listAlerts, { query: { state: "firing" } }),
      ]);
      const running = rollouts.items.filter(
        (one) => one.phase === "running" || one.phase === "paused" || one.phase === "rolling_back",
      );
      session.out.one({ version, devices, rollouts: running, alerts: alerts.items }, () => [
        ...facts({
          server: `Tenfold ${version.version}`,
          devices: `${devices.total}: ${countsLine(devices.connectivity) || "none yet"}`,
          firmware: devices.firmware.map((one) => `${one.version} on ${one.devices}`).join(", "),
          rollouts: `${running.length} under way`,
          alerts: `${alerts.items.length} firing`,
        }),
        ...running.map((one) => `  ${one.id} ${one.release.version} ${one.phase}: ${one.because}`),
        ...alerts.items.map((one) => `  ${one.severity}: ${one.title}`),
      ]);
    },
  });
}
