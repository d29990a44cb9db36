import { createPrivateKey, generateKeyPairSync } from "node:crypto";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { pkiProblems } from "./errors.ts";
import { readPrivateFile, writeFileAtomically } from "./files.ts";
import { type Signer, signerOf } from "./keys.ts";

/**
 * Where private keys live. A key has a name, is made inside, signs, and is never handed out. Three are real and share one contract suite
 * (keystore.test.ts): files, a PKCS#11 token, a TPM 2.0. Made keys are ECDSA on P-256.
 */
export type KeyStore<S extends Signer = Signer> = {
  /** Undefined when there is no key of this name. */
  open(name: string): Promise<S | undefined>;
  /** Refuses a name that is taken (`key_exists`), so that no key can be lost by writing over it. */
  create(name: string): Promise<S>;
  /** Destroys the key for ever; one that is gone already is no fault. */
  remove(name: string): Promise<void>;
} & AsyncDisposable;

/** A key of a token or a TPM: it can also sign a SHA-256 digest that others made, as TLS does. `signDigest` answers r and s side by side. */
export type HardwareSigner = Signer & { signDigest(digest: Uint8Array): Promise<Buffer> };

/** Keys as PKCS#8 PEM files `NAME.key`, mode 0600, written atomically. Throws `key_file_unusable` with the file's name. */
export function fileKeyStore(folder: string): KeyStore {
  const pathOf = (name: string) => join(folder, `${name}.key`);
  const open = async (name: string) => {
    const pem = await readPrivateFile(pathOf(name));
    return pem === undefined ? undefined : signerFrom(pem, pathOf(name));
  };
  return {
    open,
    async create(name) {
      if ((await readPrivateFile(pathOf(name))) !== undefined) {
        throw pkiProblems.key_exists(`The key file ${pathOf(name)} exists already.`, {
          fix: "Move it away first if it is really to be replaced.",
        });
      }
      const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
      await writeFileAtomically(pathOf(name), privateKey.export({ format: "pem", type: "pkcs8" }), 0o600);
      return signerOf(privateKey);
    },
    remove: (name) => rm(pathOf(name), { force: true }),
    async [Symbol.asyncDispose]() {},
  };
}

/** A signer from the text of a key file. Throws `key_file_unusable`. */
export function signerFrom(pem: string, path: string): Signer {
  try {
    return signerOf(createPrivateKey(pem));
  } catch (cause) {
    throw pkiProblems.key_file_unusable(`The key file ${path} does not hold a private key.`, {
      cause,
      fix: "Restore it from a backup.",
    });
  }
}
