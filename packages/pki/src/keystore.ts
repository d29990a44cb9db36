import { createPrivateKey, generateKeyPairSync } from "node:crypto";
import { join } from "node:path";
import { pkiProblems } from "./errors.ts";
import { readPrivateFile, writeFileAtomically } from "./files.ts";
import { type Signer, signerOf } from "./keys.ts";

/**
 * Where the keys of authorities live: files today, a PKCS#11 token later. A key has a name, signs, and is never handed out. `create`
 * refuses a name that is taken, so that no key can be lost by writing over it.
 */
export type KeyStore = { open(name: string): Promise<Signer | undefined>; create(name: string): Promise<Signer> };

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
        throw pkiProblems.key_file_unusable(`The key file ${pathOf(name)} exists already.`, {
          fix: "Move it away first if it is really to be replaced.",
        });
      }
      const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
      await writeFileAtomically(pathOf(name), privateKey.export({ format: "pem", type: "pkcs8" }), 0o600);
      return signerOf(privateKey);
    },
  };
}

function signerFrom(pem: string, path: string): Signer {
  try {
    return signerOf(createPrivateKey(pem));
  } catch (cause) {
    throw pkiProblems.key_file_unusable(`The key file ${path} does not hold a private key.`, {
      cause,
      fix: "Restore it from a backup.",
    });
  }
}
