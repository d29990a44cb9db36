import { join } from "node:path";
import { pkiProblems } from "./errors.ts";
import { readPrivateFile } from "./files.ts";
import type { Signer } from "./keys.ts";
import { fileKeyStore, type HardwareSigner, type KeyStore, signerFrom } from "./keystore.ts";
import { pkcs11KeyStore } from "./pkcs11/key-store.ts";
import { readPkcs11Uri } from "./pkcs11/uri.ts";
import { readTpmUri, writeAddress } from "./tpm/address.ts";
import { openTpmKey, tpmKeyStore } from "./tpm/key-store.ts";

/** A place for keys, or one key: `file:PATH` or a path, `pkcs11:…` (RFC 7512), `tpm:…`. */
export type KeyUriKind = "file" | "pkcs11" | "tpm";

export function kindOfKeyUri(uri: string): KeyUriKind {
  if (uri.startsWith("pkcs11:")) return "pkcs11";
  return uri.startsWith("tpm:") ? "tpm" : "file";
}

export const pathOfFileUri = (uri: string): string => uri.replace(/^file:(\/\/)?/, "");

/** The PIN from elsewhere, for a URI that says nothing of it. */
export type PinWish = { readonly pin?: string | undefined };

/**
 * The place where keys are made. A `pkcs11:` URI names the token, a `tpm:` URI the TPM; `folder` is where the files of a TPM's keys lie, and of
 * `file:` without a path. Nothing is opened before the first use. Throws `key_uri_invalid`.
 */
export function openKeyStore(uri: string, { folder, pin }: { folder: string } & PinWish): KeyStore {
  switch (kindOfKeyUri(uri)) {
    case "pkcs11": {
      const wish = readPkcs11Uri(uri);
      if (wish.object !== undefined)
        throw pkiProblems.key_uri_invalid("A place for keys is a whole token: leave object= out.", { fix: "pkcs11:token=NAME" });
      return pkcs11KeyStore({ ...wish, pin: wish.pin ?? pinOf(pin) });
    }
    case "tpm": {
      const { address, key } = readTpmUri(uri);
      if (key !== undefined)
        throw pkiProblems.key_uri_invalid("A place for keys is a whole TPM: leave handle= and file= out.", { fix: "tpm:" });
      return tpmKeyStore({ folder, address });
    }
    case "file":
      return fileKeyStore(pathOfFileUri(uri) || folder);
  }
}

/** The URI of a key that `openKeyStore(uri, …)` made under this name. */
export function keyUriIn(uri: string, { folder, name }: { folder: string; name: string }): string {
  switch (kindOfKeyUri(uri)) {
    case "pkcs11": {
      const [path = "", query] = uri.split("?");
      return `${path};object=${encodeURIComponent(name)}${query === undefined ? "" : `?${query}`}`;
    }
    case "tpm":
      return `tpm:file=${join(folder, `${name}.tpm.pem`)}${writeAddress(readTpmUri(uri).address)}`;
    case "file":
      return `file:${join(pathOfFileUri(uri) || folder, `${name}.key`)}`;
  }
}

/** Reads the URI of one key, without asking for it. Throws `key_uri_invalid`. */
export function readKeyUri(uri: string): void {
  const kind = kindOfKeyUri(uri);
  const named = kind === "file" || (kind === "tpm" ? readTpmUri(uri).key : readPkcs11Uri(uri).object) !== undefined;
  if (!named)
    throw pkiProblems.key_uri_invalid(`${kind}: names no key.`, { fix: "Add object=LABEL to pkcs11:, handle=0x81… to tpm:." });
}

/** One key, ready to sign. Throws `key_missing`, `key_uri_invalid`, or what its store throws. */
export async function openKey(uri: string, { pin }: PinWish = {}): Promise<Signer> {
  if (kindOfKeyUri(uri) !== "file") return openHardwareKey(uri, { pin });
  const path = pathOfFileUri(uri);
  const pem = await readPrivateFile(path);
  if (pem === undefined)
    throw pkiProblems.key_missing(`The key file ${path} is missing.`, { fix: "Correct the path, or restore it." });
  return signerFrom(pem, path);
}

/** One key of a token or a TPM. */
export async function openHardwareKey(uri: string, { pin }: PinWish = {}): Promise<HardwareSigner> {
  if (kindOfKeyUri(uri) === "tpm") return openTpmKey(readTpmUri(uri));
  const wish = readPkcs11Uri(uri);
  if (wish.object === undefined)
    throw pkiProblems.key_uri_invalid("This pkcs11: URI names no key.", { fix: "Add object=LABEL behind the token." });
  const store = pkcs11KeyStore({ ...wish, pin: wish.pin ?? pinOf(pin) });
  const found = await store.open(wish.object);
  if (found !== undefined) return found;
  await store[Symbol.asyncDispose]();
  throw pkiProblems.key_missing(`The token ${wish.token} has no key "${wish.object}".`, {
    fix: "See what it has with `pkcs11-tool --list-objects`; without the PIN private keys are not shown.",
  });
}

const pinOf = (pin: string | undefined) => (pin === undefined ? undefined : ({ is: "value", value: pin } as const));
