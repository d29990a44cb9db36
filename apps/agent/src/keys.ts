import { randomBytes } from "node:crypto";
import { describeError } from "@tenfold/base";
import type { Credentials, Identity, Issued } from "@tenfold/device";
import {
  createTpmAttestor,
  keyUriIn,
  kindOfKeyUri,
  newDeviceKey,
  openKeyStore,
  privateKeyPem,
  readPrivateKey,
  type Signer,
  signerOf,
  type TpmAttestor,
  tlsKeyOf,
} from "@tenfold/pki";
import type { AgentConfig } from "./config.ts";
import type { Disk } from "./disk.ts";

/** Where a hardware key is: a place (`pkcs11:…`, `tpm:…`) and the name that it has there. */
export type KeyPlace = { readonly place: string; readonly name: string };

/** What the agent keeps: a certificate with its key, or with where its key is. `spent` are keys whose certificates were replaced. */
export type KeptCredentials = Credentials | (Issued & KeyPlace & { readonly spent?: readonly KeyPlace[] });

/** A key that waits for its certificate. */
export type PendingKey = {
  readonly signer: Signer;
  keep(issued: Issued): KeptCredentials;
  readonly attestor: TpmAttestor | undefined;
};

/** The identity that TLS shows; a hardware key stays where it is. */
export async function identityOf(kept: KeptCredentials, { state }: Pick<AgentConfig, "state">): Promise<Identity> {
  return "key" in kept ? kept : { cert: kept.cert, ...(await tlsKeyOf(uriOf(kept, state))) };
}

/** The manufacturer's identity, whose key may be a file or in hardware. */
export async function idevidOf({ idevid }: AgentConfig): Promise<Identity | undefined> {
  if (idevid === undefined || "key" in idevid) return idevid;
  return { cert: idevid.cert, ...(await tlsKeyOf(idevid.keyUri)) };
}

/** What can vouch for the key of the certificate in use; undefined where it is in no TPM. */
export const attestorOf = (kept: KeptCredentials, { state }: Pick<AgentConfig, "state">): TpmAttestor | undefined =>
  "key" in kept ? undefined : attestorAt(kept, state);

const attestorAt = (where: KeyPlace, state: string): TpmAttestor | undefined =>
  kindOfKeyUri(where.place) === "tpm" ? createTpmAttestor(uriOf(where, state)) : undefined;

const uriOf = ({ place, name }: KeyPlace, state: string): string => keyUriIn(place, { folder: state, name });

/** The key that waits, the same after a power cut; a new one, made where the configuration says, when none does. */
export async function pendingKey({ keys, state }: AgentConfig, disk: Disk): Promise<PendingKey> {
  const pending = await disk.loadPendingKey();
  if (keys === undefined) return softwareKey(disk, pending);
  const known = pending === undefined ? undefined : placeIn(pending);
  const where = known?.place === keys ? known : { place: keys, name: `ldevid-${randomBytes(6).toString("hex")}` };
  // Its name is on disk before it is made: a key that nobody knows of would fill the token.
  if (where !== known) await disk.savePendingKey(JSON.stringify(where));
  const store = openKeyStore(keys, { folder: state });
  try {
    const signer = (await store.open(where.name)) ?? (await store.create(where.name));
    return { signer, keep: (issued) => ({ ...issued, ...where }), attestor: attestorAt(where, state) };
  } finally {
    await store[Symbol.asyncDispose]();
  }
}

async function softwareKey(disk: Disk, pending: string | undefined): Promise<PendingKey> {
  const kept = pending?.startsWith("-----BEGIN") ? readPrivateKey(pending) : undefined;
  const key = kept ?? newDeviceKey();
  if (kept === undefined) await disk.savePendingKey(privateKeyPem(key));
  return { signer: signerOf(key), keep: (issued) => ({ ...issued, key: privateKeyPem(key) }), attestor: undefined };
}

function placeIn(pending: string): KeyPlace | undefined {
  if (pending.startsWith("-----BEGIN")) return undefined;
  // Only this agent writes the file, with the mode that it checks.
  return JSON.parse(pending) as KeyPlace;
}

const mostSpent = 8;

/** The new credentials, with the keys that they make useless. */
export function succeed(next: KeptCredentials, before: KeptCredentials | undefined): KeptCredentials {
  if ("key" in next || before === undefined || "key" in before) return next;
  const { place, name, spent = [] } = before;
  return { ...next, spent: [...spent, { place, name }].slice(-mostSpent) };
}

/** Destroys what `spent` names. What cannot be reached now is tried again after the next renewal. */
export async function destroySpent(kept: KeptCredentials, { disk, state }: { disk: Disk; state: string }): Promise<void> {
  if ("key" in kept || !kept.spent?.length) return;
  const left: KeyPlace[] = [];
  for (const one of kept.spent) {
    const store = openKeyStore(one.place, { folder: state });
    try {
      await store.remove(one.name);
    } catch (error) {
      process.stderr.write(`${JSON.stringify({ event: "key.not_removed", name: one.name, because: describeError(error) })}\n`);
      left.push(one);
    } finally {
      await store[Symbol.asyncDispose]();
    }
  }
  await disk.saveCredentials({ ...kept, spent: left });
}
