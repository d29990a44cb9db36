/** What the suites of DDI clients share: artifacts made here, signed, released, and where a deployment stands. */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { PlanTemplate } from "@tenfold/contracts";
import type { RunningPlatform } from "../running-platform.ts";
import { sh } from "./shell-device.ts";

export type Deployment = { rollout: string; version: string; state: string; reason?: string; detail?: string; log: string[] };

/** A key that signs releases; the platform gets its public half. */
export async function releaseKey(platform: RunningPlatform): Promise<string> {
  const key = join(platform.dir, "release-key.pem");
  await platform.tenfold("artifact", "key", key);
  await platform.tenfold("release", "trust", `${key}.pub`, "--name", "release key");
  return key;
}

export type ImageKey = { key: string; cert: string };

/** The maker's own key for its images, which the device's installer checks. It has nothing to do with the platform's release keys. */
export async function makeImageKey(platform: RunningPlatform): Promise<ImageKey> {
  const [key, cert] = [join(platform.dir, "image.key"), join(platform.dir, "image.pem")];
  const extensions = [
    "-addext",
    "extendedKeyUsage=emailProtection,codeSigning",
    "-addext",
    "keyUsage=critical,digitalSignature,keyCertSign",
  ];
  await sh(
    "openssl",
    "req",
    "-x509",
    "-newkey",
    "rsa:2048",
    "-nodes",
    "-keyout",
    key,
    "-out",
    cert,
    "-subj",
    "/CN=image key",
    "-days",
    "30",
    ...extensions,
  );
  return { key, cert };
}

type Swu = { version: string; bytes: Buffer; target: string; signer: ImageKey };

/** An update file of SWUpdate: cpio with its signed description first. `bytes` go raw into `target`. */
export async function makeSwu(platform: RunningPlatform, { version, bytes, target, signer }: Swu): Promise<string> {
  const dir = join(platform.dir, `swu-${version}`);
  const file = join(platform.dir, `pump-${version}.swu`);
  await sh("mkdir", "-p", dir);
  await writeFile(join(dir, "image.bin"), bytes);
  const sha256 = (await sh("sha256sum", join(dir, "image.bin"))).slice(0, 64);
  await writeFile(
    join(dir, "sw-description"),
    `software = { version = "${version}"; hardware-compatibility = [ "1.0" ];
  files: ( { filename = "image.bin"; path = "${target}"; sha256 = "${sha256}"; } );
};\n`,
  );
  const description = join(dir, "sw-description");
  const cms = ["cms", "-sign", "-binary", "-nosmimecap", "-outform", "DER", "-in", description, "-out", `${description}.sig`];
  await sh("openssl", ...cms, "-signer", signer.cert, "-inkey", signer.key);
  await sh(
    "sh",
    "-c",
    `cd '${dir}' && printf 'sw-description\\nsw-description.sig\\nimage.bin\\n' | cpio -o -H crc > '${file}' 2>/dev/null`,
  );
  return file;
}

/** Signs a file and registers it as a release. */
export async function releaseFile(
  platform: RunningPlatform,
  { file, key, version }: { file: string; key: string; version: string },
): Promise<void> {
  await platform.tenfold(
    "artifact",
    "sign",
    file,
    "--key",
    key,
    "--version",
    version,
    "--name",
    "pump",
    "--out",
    `${file}.release.json`,
  );
  await platform.tenfold("release", "create", file, "--envelope", `${file}.release.json`);
}

export async function startRollout(
  platform: RunningPlatform,
  version: string,
  device: string,
  terms: Pick<PlanTemplate, "windows" | "download"> = {},
): Promise<string> {
  const body = JSON.stringify({
    release: version,
    filter: `id:${device}`,
    stages: [{ share: 1 }],
    retries: { most: 0 },
    deadline: "PT5M",
    soak: "PT0S",
    onHalt: "stop",
    ...terms,
  });
  return (JSON.parse(await platform.tenfold("api", "POST", "/api/v1/rollouts", "--body", body)) as { id: string }).id;
}

export async function deploymentOf(platform: RunningPlatform, device: string, rollout: string): Promise<Deployment> {
  const { items } = JSON.parse(await platform.tenfold("api", "GET", `/api/v1/devices/${device}/deployments`)) as {
    items: Deployment[];
  };
  const found = items.find((one) => one.rollout === rollout);
  assert.ok(found, `${device} has no deployment of ${rollout}`);
  return found;
}
