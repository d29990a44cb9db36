import { readFile } from "node:fs/promises";
import { api, createClient } from "@tenfold/contracts";
import { requestCertificate } from "@tenfold/device";
import { makeDeviceIdentity, makeManufacturer, toPem } from "@tenfold/pki";
import type { RunningPlatform } from "../tools/running-platform.ts";

export type EnrolledDevice = { id: string; cert: string; key: string };

const atOnce = 16;

/** Makes devices of a manufacturer of their own, lets the platform expect them, and enrolls each over EST. */
export async function enrollFleet(
  platform: Pick<RunningPlatform, "url" | "deviceUrl" | "token" | "ca">,
  { prefix, devices }: { prefix: string; devices: number },
): Promise<EnrolledDevice[]> {
  const now = Date.now();
  const manufacturer = await makeManufacturer({ name: `Bench ${prefix}`, now: now - 60_000 });
  const client = createClient({ baseUrl: platform.url, token: platform.token });
  await client.call(api.createTrustAnchor, {
    body: { name: prefix, certificatePem: toPem("CERTIFICATE", manufacturer.certificate.der), unknownDevices: "refuse" },
  });
  const serials = Array.from({ length: devices }, (_, i) => `${prefix}-${i}`);
  await client.call(api.importManifest, { body: { entries: serials.map((serial) => ({ serial })) } });
  const server = { url: platform.deviceUrl, ca: await readFile(platform.ca, "utf8") };
  const enrolled: EnrolledDevice[] = [];
  for (let i = 0; i < serials.length; i += atOnce) {
    const part = serials.slice(i, i + atOnce).map(async (serial) => {
      const idevid = await makeDeviceIdentity({ manufacturer, serial, notBefore: now - 60_000 });
      const identity = { cert: idevid.certificatePem, key: idevid.privateKeyPem };
      const { cert, key } = await requestCertificate({
        server,
        device: serial,
        proof: { is: "certificate", identity },
        operation: "simpleenroll",
        patienceMs: 10_000,
      });
      return { id: serial, cert, key };
    });
    enrolled.push(...(await Promise.all(part)));
  }
  return enrolled;
}
