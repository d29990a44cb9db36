import { createHash } from "node:crypto";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { integer, sequence } from "../der-write.ts";
import { pkiProblems } from "../errors.ts";
import { readPrivateFile, writeFileAtomically } from "../files.ts";
import { algorithmOf } from "../keys.ts";
import type { HardwareSigner, KeyStore } from "../keystore.ts";
import { shownAddress, type TpmAddress, type TpmUri } from "./address.ts";
import { readKeyFile, writeKeyFile } from "./key-file.ts";
import { alg, attribute, curve, handle } from "./names.ts";
import { readTpmPublic, writeTemplate } from "./public-area.ts";
import { type Loaded, type Tpm, withTpm } from "./tpm.ts";
import { malformed, TpmReader } from "./wire.ts";

const { fixedTpm, fixedParent, sensitiveDataOrigin, userWithAuth, noDa, restricted, decrypt, sign } = attribute;

/** [TCG Provisioning Guidance 7.8] Where a machine keeps its storage root key, if it has made it persistent. */
const persistentRoot = 0x8100_0001;

const rootTemplate = writeTemplate({
  attributes: fixedTpm | fixedParent | sensitiveDataOrigin | userWithAuth | noDa | restricted | decrypt,
  symmetricBits: 128,
  curve: curve.p256,
});
/** Made inside, bound to this TPM, signs whatever it is given, and nothing else. What an attestation demands of a device's key. */
export const deviceKeyAttributes = fixedTpm | fixedParent | sensitiveDataOrigin | userWithAuth | noDa | sign;
const keyTemplate = writeTemplate({ attributes: deviceKeyAttributes, curve: curve.p256 });

/**
 * Keys of a TPM 2.0: made inside (P-256, fixedTPM), kept as `NAME.tpm.pem` in `folder`: a file that only that TPM can use. Throws
 * `key_store_unreachable`, `key_store_refused`, `key_file_unusable`.
 */
export function tpmKeyStore({ folder, address }: { folder: string; address: TpmAddress }): KeyStore<HardwareSigner> {
  const pathOf = (name: string) => join(folder, `${name}.tpm.pem`);
  const open = async (name: string) =>
    (await readPrivateFile(pathOf(name))) === undefined
      ? undefined
      : openTpmKey({ address, key: { is: "file", path: pathOf(name) } });
  return {
    open,
    async create(name) {
      const path = pathOf(name);
      if ((await readPrivateFile(path)) !== undefined)
        throw pkiProblems.key_exists(`The key file ${path} exists already.`, { fix: "Use another name, or move it away." });
      const file = await withTpm(address, async (tpm) => {
        const root = await tpm.readPersistent(persistentRoot);
        const parent = isStorageKey(root) ? root : await tpm.createPrimary(handle.owner, rootTemplate);
        return { parent: parent === root ? persistentRoot : handle.owner, wrapped: await tpm.create(parent, keyTemplate) };
      });
      await writeFileAtomically(path, writeKeyFile(file), 0o600);
      return openTpmKey({ address, key: { is: "file", path } });
    },
    remove: (name) => rm(pathOf(name), { force: true }),
    async [Symbol.asyncDispose]() {},
  };
}

/** One key of a TPM, by its persistent handle or its file. Throws `key_missing` when it is not there. */
export async function openTpmKey({ address, key }: TpmUri): Promise<HardwareSigner> {
  if (key === undefined)
    throw pkiProblems.key_uri_invalid("This tpm: URI names no key.", { fix: "Add handle=0x81… or file=PATH." });
  const area = await withTpm(address, async (tpm) => (await loadTpmKey(tpm, { address, key })).area);
  const { publicKey } = readTpmPublic(area);
  if (publicKey.kind !== "p256")
    throw pkiProblems.algorithm_refused("A device's key in a TPM must be on P-256.", { fix: "Make another." });
  const signDigest = (digest: Uint8Array) =>
    withTpm(address, async (tpm) => pairOf(await tpm.signDigest(await loadTpmKey(tpm, { address, key }), digest)));
  return {
    publicKey,
    algorithm: algorithmOf(publicKey.kind),
    signDigest,
    async sign(bytes) {
      const pair = await signDigest(createHash("sha256").update(bytes).digest());
      return sequence(integer(pair.subarray(0, 32)), integer(pair.subarray(32)));
    },
  };
}

/** Brings a key into the TPM, for as long as the conversation lasts. */
export async function loadTpmKey(tpm: Tpm, { address, key }: TpmUri): Promise<Loaded> {
  if (key?.is === "handle") {
    const found = await tpm.readPersistent(key.handle);
    if (found !== undefined) return found;
    throw pkiProblems.key_missing(`${shownAddress(address)} has no key 0x${key.handle.toString(16)}.`, {
      fix: "`tpm2_getcap handles-persistent` shows what is there.",
    });
  }
  const path = key?.path ?? "";
  const pem = await readPrivateFile(path);
  if (pem === undefined) throw pkiProblems.key_missing(`The key file ${path} is missing.`, { fix: "Restore it, or enroll anew." });
  const { parent, wrapped } = readKeyFile(pem, path);
  const above = parent === handle.owner ? await tpm.createPrimary(handle.owner, rootTemplate) : await tpm.readPersistent(parent);
  if (above === undefined)
    throw pkiProblems.key_missing(`The key above ${path}, 0x${parent.toString(16)}, is not in the TPM any more.`, {
      fix: "Was the TPM cleared? Enroll anew.",
    });
  const loaded = await tpm.load(above, wrapped);
  // A chip without resource manager has room for three keys.
  await tpm.flush(above);
  return loaded;
}

function isStorageKey(found: Loaded | undefined): found is Loaded {
  if (found === undefined) return false;
  try {
    const { attributes, symmetric } = readTpmPublic(found.area);
    return (attributes & restricted) !== 0 && (attributes & decrypt) !== 0 && symmetric !== undefined;
  } catch {
    return false;
  }
}

/** r and s of a TPMT_SIGNATURE, each in full length. */
function pairOf(signature: Buffer): Buffer {
  const from = new TpmReader(signature);
  if (from.u16() !== alg.ecdsa) throw malformed("the signature is not ECDSA");
  from.u16();
  const [r, s] = [from.sized(32), from.sized(32)];
  return Buffer.concat([Buffer.alloc(32 - r.length), r, Buffer.alloc(32 - s.length), s]);
}
