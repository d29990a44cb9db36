import { expectTag, readBoolean, readDer, readInteger, readOid } from "../der-read.ts";
import { boolean, context, integer, octetString, oid, sequence, tags } from "../der-write.ts";
import { pkiProblems } from "../errors.ts";
import { fromPem, toPem } from "../pem.ts";
import type { Wrapped } from "./tpm.ts";
import { sized, TpmReader } from "./wire.ts";

/** [TCG OID registry] A key that a TPM can load: the form that other tools read and write, too. */
const loadableKey = "2.23.133.10.1.3";

/** A key whose secret half only its TPM can use. `parent` is the handle of the key above it, or of the hierarchy that makes that one. */
export type TpmKeyFile = { readonly parent: number; readonly wrapped: Wrapped };

/** The PEM block "TSS2 PRIVATE KEY" (ASN.1 TPMKey) of a key without a password. */
export function writeKeyFile({ parent, wrapped }: TpmKeyFile): string {
  const emptyAuth = context(0, boolean(true));
  const der = sequence(
    oid(loadableKey),
    emptyAuth,
    integer(parent),
    octetString(sized(wrapped.area)),
    octetString(sized(wrapped.secret)),
  );
  return toPem("TSS2 PRIVATE KEY", der);
}

/** Throws `key_file_unusable` for other files, and for keys with a password. */
export function readKeyFile(pem: string, path: string): TpmKeyFile {
  try {
    const [der] = fromPem("TSS2 PRIVATE KEY", pem);
    const [type, ...parts] = expectTag(readDer(der ?? Buffer.alloc(0)), tags.sequence, "the key").children;
    if (readOid(type, "the kind of key") !== loadableKey) throw new Error("It is no loadable key.");
    const [emptyAuth] = parts[0]?.tag === 0xa0 ? (parts.shift()?.children ?? []) : [];
    if (emptyAuth === undefined || !readBoolean(emptyAuth, "emptyAuth")) throw new Error("It has a password.");
    const [parent, area, secret] = parts;
    return {
      parent: unsigned(readInteger(parent, "the parent")),
      wrapped: {
        area: contents(expectTag(area, tags.octetString, "the public half").body),
        secret: contents(expectTag(secret, tags.octetString, "the private half").body),
      },
    };
  } catch (cause) {
    throw pkiProblems.key_file_unusable(`The file ${path} holds no key of a TPM without a password.`, {
      cause,
      fix: "Restore it, or make a new key.",
    });
  }
}

const unsigned = (bytes: Buffer): number => bytes.readUIntBE(Math.max(0, bytes.length - 4), Math.min(4, bytes.length));

function contents(tpm2b: Buffer): Buffer {
  const from = new TpmReader(tpm2b);
  const bytes = from.sized(1_024);
  from.end();
  return bytes;
}
