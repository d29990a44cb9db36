import { humanDuration } from "@tenfold/base";
import { api, type Device, type DeviceTrust } from "@tenfold/contracts";
import type { Command } from "commander";
import { ago, facts } from "../../output.ts";
import { addVerb, word } from "../../verb.ts";

export function deviceShow(device: Command): void {
  addVerb(device, {
    usage: "show <id>",
    summary: "One device: how it is, why, and since when",
    example: "device show quiet-otter-17",
    async run(session, given) {
      const client = await session.client();
      const params = { id: word(given, 0) };
      const [shown, trust] = await Promise.all([
        client.call(api.getDevice, { params }),
        client.call(api.getDeviceTrust, { params }),
      ]);
      session.out.one({ ...shown, trust }, () => describe(shown, trust));
    },
  });
}

function describe(device: Device, trust: DeviceTrust): string[] {
  const { connectivity, firmware, refusedInputs } = device;
  return facts({
    device: device.id,
    status: `${connectivity.is}: ${connectivity.because}`,
    lifecycle: device.lifecycle,
    model: device.model,
    firmware: firmware && `${firmware.version} (${firmware.state}, since ${ago(firmware.since)})`,
    "last contact": ago(device.lastContactAt),
    uptime: device.uptimeS === undefined ? undefined : humanDuration(device.uptimeS * 1_000),
    tags: Object.entries(device.tags)
      .map(([name, value]) => `${name}=${value}`)
      .join(" "),
    "trust level": `${trust.level} of 4: ${trust.because}${trust.next === undefined ? "" : ` ${trust.next}`}`,
    attestation:
      trust.newest &&
      `${trust.newest.verdict} ${ago(trust.newest.at)}${trust.newest.maker ? ` (${trust.newest.maker})` : ""}: ${trust.newest.because}`,
    "refused inputs":
      refusedInputs.count === 0
        ? undefined
        : `${refusedInputs.count}, last ${ago(refusedInputs.lastAt)}: ${refusedInputs.lastReason}`,
  });
}
