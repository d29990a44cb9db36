import { createPrivateKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { type Authority, createRoot, issuerOf, newSigner } from "./authority.ts";
import type { Certificate } from "./certificate.ts";
import { issueCertificate, randomSerial } from "./issue.ts";
import { publicKeyOf } from "./keys.ts";
import { makeName } from "./name.ts";
import { oids } from "./oids.ts";
import { toPem } from "./pem.ts";

/** [IEEE 802.1AR] The end of an IDevID: never, as RFC 5280 4.1.2.5 spells it. */
export const noEnd = Date.UTC(9999, 11, 31, 23, 59, 59);

/** A pretend factory: the CA that signs its devices' identities. For tests and simulations. */
export async function makeManufacturer({ name = "Acme Devices", now }: { name?: string; now: number }): Promise<Authority> {
  const subject = [
    { type: oids.organizationName, value: name },
    { type: oids.commonName, value: `${name} Device CA` },
  ];
  return createRoot({ signer: newSigner(), name: subject, now });
}

export type DeviceIdentity = {
  readonly certificate: Certificate;
  readonly privateKey: KeyObject;
  readonly certificatePem: string;
  readonly privateKeyPem: string;
};

export type DeviceIdentityWish = {
  readonly manufacturer: Authority;
  readonly serial: string;
  readonly model?: string;
  readonly notBefore: number;
  readonly notAfter?: number;
};

/** A device as it leaves the factory: a P-256 key and an IDevID with its serial number, without an end. */
export async function makeDeviceIdentity({
  manufacturer,
  serial,
  model,
  notBefore,
  notAfter = noEnd,
}: DeviceIdentityWish): Promise<DeviceIdentity> {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const subject = [
    ...(model === undefined ? [] : [{ type: oids.organizationalUnitName, value: model }]),
    { type: oids.serialNumber, value: serial },
  ];
  const certificate = await issueCertificate({
    issuer: issuerOf(manufacturer),
    subject: makeName(subject),
    publicKey: publicKeyOf(privateKey),
    serial: randomSerial(),
    notBefore,
    notAfter,
    usage: "manufacturer_device",
  });
  return {
    certificate,
    privateKey,
    certificatePem: toPem("CERTIFICATE", certificate.der),
    privateKeyPem: privateKeyPem(privateKey),
  };
}

/** PKCS#8 PEM of a private key that may leave this process. */
export const privateKeyPem = (key: KeyObject): string => key.export({ format: "pem", type: "pkcs8" }).toString();

/** A fresh P-256 private key for a device. */
export const newDeviceKey = (): KeyObject => generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;

export const readPrivateKey = (pem: string): KeyObject => createPrivateKey(pem);
