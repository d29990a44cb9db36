import { createPublicKey } from "node:crypto";
import { join } from "node:path";
import { type MetadataSigner, metadataSignerWith } from "@tenfold/ota";
import { openKeyStore } from "@tenfold/pki";

const keyName = "metadata-online";

/**
 * The server's key for metadata, made at the first start: a file below `pki/`, or in the token or TPM that `keys` names. Stolen, it lets a
 * thief choose among what offline keys have signed, and nothing else (docs/operate/signing.md).
 */
export async function openOnlineKey({ dataDir, keys }: { dataDir: string; keys: string }): Promise<MetadataSigner> {
  const store = openKeyStore(keys, { folder: join(dataDir, "pki") });
  const signer = (await store.open(keyName)) ?? (await store.create(keyName));
  const publicHalf = createPublicKey({ key: signer.publicKey.der, format: "der", type: "spki" });
  return metadataSignerWith(publicHalf, (bytes) => signer.sign(Buffer.from(bytes)));
}
