import { fileKeyStore, type KeyStore, kindOfKeyUri, openKeyStore } from "@tenfold/pki";

export type AuthorityKeysWish = {
  /** `pki/` of the data folder. */
  readonly folder: string;
  /** Where keys of authorities are made: `pkcs11:token=…`; files in the folder unless told otherwise. */
  readonly place?: string | undefined;
  /** The token's PIN, where the URI says nothing of it. */
  readonly pin?: string | undefined;
};

/**
 * The keys of our authorities. With a token new ones are made there, under `tenfold-ca-NAME`; those that stand in files from before are still found, so
 * that a rotation moves an installation into its token. Throws `key_uri_invalid`, and at the first use what the store throws.
 */
export function authorityKeys({ folder, place, pin }: AuthorityKeysWish): KeyStore {
  const files = fileKeyStore(folder);
  if (place === undefined || kindOfKeyUri(place) === "file") return files;
  const token = openKeyStore(place, { folder, pin });
  const labelOf = (name: string) => `tenfold-ca-${name}`;
  return {
    open: async (name) => (await token.open(labelOf(name))) ?? (await files.open(name)),
    create: (name) => token.create(labelOf(name)),
    remove: (name) => token.remove(labelOf(name)),
    [Symbol.asyncDispose]: () => token[Symbol.asyncDispose](),
  };
}
