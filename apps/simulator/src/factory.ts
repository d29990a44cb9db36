import { createHash, type KeyObject } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { hash32 } from "@tenfold/base";
import { type ApiClient, api } from "@tenfold/contracts";
import { type DeviceRoots, parseDeviceRoots } from "@tenfold/device";
import { type PublicKey, readPublicKey } from "@tenfold/ota";
import {
  type Authority,
  createRoot,
  fromPem,
  makeDeviceIdentity,
  newDeviceKey,
  oids,
  privateKeyPem,
  readCertificate,
  readPrivateKey,
  signerOf,
  toPem,
} from "@tenfold/pki";
import { makeSimFirmware } from "@tenfold/testkit";
import { type DeviceFile, loadDeviceFile, saveDeviceFile } from "./fleet/device-file.ts";

const sites = ["berlin", "lyon", "porto", "gdansk", "graz"] as const;
/** Devices are registered in pieces, so that no request of a large fleet grows beyond what the server takes. */
const manifestPiece = 2_000;

export type FactoryOrder = { folder: string; seed: number; ids: readonly string[]; model: string; version: string };
export type Delivered = { files: DeviceFile[]; made: number };
export type Registered = { anchor: "created" | "already"; expected: number; already: number };

/** Makes the devices, or takes those that were made before: the same folder always gives the same devices. */
export async function manufacture(order: FactoryOrder): Promise<Delivered & { manufacturer: Authority }> {
  await mkdir(order.folder, { recursive: true, mode: 0o700 });
  const manufacturer = await manufacturerIn(order.folder, order.seed);
  const files: DeviceFile[] = [];
  let made = 0;
  for (const id of order.ids) {
    const known = await loadDeviceFile(order.folder, id);
    files.push(known ?? (await makeDevice(manufacturer, { ...order, id })));
    if (known === undefined) made += 1;
  }
  return { files, made, manufacturer };
}

async function makeDevice(
  manufacturer: Authority,
  { id, folder, model, version }: FactoryOrder & { id: string },
): Promise<DeviceFile> {
  const identity = await makeDeviceIdentity({ manufacturer, serial: id, model, notBefore: Date.now() - 60_000 });
  const image = makeSimFirmware({ version }, 256);
  const file: DeviceFile = {
    id,
    model,
    idevid: { cert: identity.certificatePem, key: identity.privateKeyPem },
    boot: { good: "a" },
    images: { a: { size: image.length, sha256: createHash("sha256").update(image).digest("hex"), head: image.toString("latin1") } },
    boots: 0,
  };
  await saveDeviceFile(folder, file);
  return file;
}

async function manufacturerIn(folder: string, seed: number): Promise<Authority> {
  const path = join(folder, "manufacturer.pem");
  const saved = await readFile(path, "utf8").catch(() => undefined);
  if (saved !== undefined) {
    const [der] = fromPem("CERTIFICATE", saved);
    if (der === undefined) throw new Error(`${path} holds no certificate.`);
    return { certificate: readCertificate(der), signer: signerOf(readPrivateKey(saved)) };
  }
  const key: KeyObject = newDeviceKey();
  const name = [
    { type: oids.organizationName, value: "Tenfold Simulator" },
    { type: oids.commonName, value: `Tenfold Simulator Device CA ${seed}` },
  ];
  const authority = await createRoot({ signer: signerOf(key), name, now: Date.now() - 60_000 });
  await writeFile(path, privateKeyPem(key) + toPem("CERTIFICATE", authority.certificate.der), { mode: 0o600 });
  return authority;
}

/** Tells the platform of the manufacturer and of the serial numbers to expect. Safe to do again. */
export async function registerWithPlatform(
  client: ApiClient,
  { manufacturer, files, seed }: { manufacturer: Authority; files: readonly DeviceFile[]; seed: number },
): Promise<Registered> {
  const { items } = await client.call(api.listTrustAnchors, {});
  const known = items.some(({ fingerprint }) => fingerprint === manufacturer.certificate.fingerprint);
  if (!known) {
    const certificatePem = toPem("CERTIFICATE", manufacturer.certificate.der);
    await client.call(api.createTrustAnchor, {
      body: {
        name: `Simulator ${seed} (${manufacturer.certificate.fingerprint.slice(0, 8)})`,
        certificatePem,
        unknownDevices: "refuse",
      },
    });
  }
  const counts = { expected: 0, already: 0 };
  for (let from = 0; from < files.length; from += manifestPiece) {
    const entries = files
      .slice(from, from + manifestPiece)
      .map(({ id, model }) => ({ serial: id, model, tags: { site: siteOf(id), simulated: "true" } }));
    const { expected, already } = await client.call(api.importManifest, { body: { entries } });
    counts.expected += expected;
    counts.already += already;
  }
  return { anchor: known ? "already" : "created", ...counts };
}

const siteOf = (id: string): string => sites[hash32(id) % sites.length] ?? sites[0];

export type BurntIn = { current(): readonly PublicKey[]; roots(): DeviceRoots | undefined; stop(): void };

/**
 * Whom the devices believe. From files it is fixed, as a factory burns it in. Without them the factory asks the platform again and
 * again: handy for a demo, and never what a real device does (docs/operate/simulator.md).
 */
export function burntIn(client: ApiClient, given: { releaseKeys: string | undefined; tufRoots: string | undefined }): BurntIn {
  const fixed = given.releaseKeys === undefined ? undefined : readKeys(given.releaseKeys);
  const fixedRoots = given.tufRoots === undefined ? undefined : parseDeviceRoots(given.tufRoots);
  if (fixed || fixedRoots) return { current: () => fixed ?? [], roots: () => fixedRoots, stop: () => {} };
  let [keys, roots]: [readonly PublicKey[], DeviceRoots | undefined] = [[], undefined];
  let next: NodeJS.Timeout | undefined;
  let stopped = false;
  const look = async () => {
    // A platform that does not answer now is asked again; there is nothing else to do about it here.
    keys = (await askForKeys(client).catch(() => undefined)) ?? keys;
    roots ??= await askForRoots(client).catch(() => undefined);
    if (!stopped) next = setTimeout(() => void look(), keys.length === 0 && roots === undefined ? 250 : 5_000);
  };
  void look();
  return {
    current: () => keys,
    roots: () => roots,
    stop() {
      stopped = true;
      clearTimeout(next);
    },
  };
}

const readKeys = (pem: string): PublicKey[] =>
  [...pem.matchAll(/-----BEGIN PUBLIC KEY-----[^-]+-----END PUBLIC KEY-----/g)].map(([block]) => readPublicKey(block));

const withinMs = 5_000;

async function askForKeys(client: ApiClient): Promise<PublicKey[]> {
  const { items } = await client.call(api.listSigningKeys, {}, { signal: AbortSignal.timeout(withinMs) });
  return items.filter(({ revokedAt }) => revokedAt === undefined).map(({ publicKeyPem }) => readPublicKey(publicKeyPem));
}

/** The first roots, once both repositories have one. */
async function askForRoots(client: ApiClient): Promise<DeviceRoots | undefined> {
  const { image, director } = await client.call(api.getMetadataStatus, {}, { signal: AbortSignal.timeout(withinMs) });
  if (!image.set || !director.set) return undefined;
  const first = async (repository: "image" | "director") =>
    (await client.call(api.getMetadataFile, { params: { repository, name: "1.root.json" } })).text;
  return { image: await first("image"), director: await first("director") };
}
