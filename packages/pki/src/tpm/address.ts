import { pkiProblems } from "../errors.ts";

/** Which TPM: the kernel's device with its resource manager, or a software TPM's socket (swtpm), for tests and virtual machines. */
export type TpmAddress =
  | { readonly is: "device"; readonly path: string }
  | { readonly is: "socket"; readonly host: string; readonly port: number };

/** A key of a TPM: one that stays in it under a handle, or one that lies in a file which only that TPM can use. Neither: the TPM itself. */
export type TpmUri = {
  readonly address: TpmAddress;
  readonly key: { readonly is: "handle"; readonly handle: number } | { readonly is: "file"; readonly path: string } | undefined;
};

const howTo =
  "Write it like tpm:handle=0x81000010, tpm:file=/var/lib/device.tpm.pem or tpm:, each with ?device=/dev/tpmrm0 or ?swtpm=127.0.0.1:2321 where it is not the first.";
const invalid = (why: string) => pkiProblems.key_uri_invalid(why, { fix: howTo });

/** Reads `tpm:[handle=0x…|file=PATH][?device=PATH|?swtpm=HOST:PORT]`. Throws `key_uri_invalid`. */
export function readTpmUri(text: string): TpmUri {
  const found = /^tpm:(?:(handle|file)=([^?]*))?(?:\?(device|swtpm)=([^?]*))?$/.exec(text);
  if (found === null) throw invalid(`"${text.slice(0, 100)}" names no TPM.`);
  const [, kind, key = "", at, where = ""] = found;
  return { address: addressOf(at, where), key: kind === undefined ? undefined : keyOf(kind, key) };
}

function keyOf(kind: string, value: string): TpmUri["key"] {
  if (kind === "file") {
    if (value === "") throw invalid("tpm:file= needs a path.");
    return { is: "file", path: value };
  }
  const handle = /^0x81[0-9a-fA-F]{6}$/.test(value) ? Number.parseInt(value, 16) : undefined;
  if (handle === undefined) throw invalid(`${value.slice(0, 40)} is no persistent handle: they go from 0x81000000 to 0x81ffffff.`);
  return { is: "handle", handle };
}

function addressOf(at: string | undefined, where: string): TpmAddress {
  if (at === undefined) return { is: "device", path: "/dev/tpmrm0" };
  if (at === "device") {
    if (!where.startsWith("/")) throw invalid(`${where} is no path of a device.`);
    return { is: "device", path: where };
  }
  const [, host, port] = /^(?:([A-Za-z0-9.-]+):)?(\d{1,5})$/.exec(where) ?? [];
  if (port === undefined || Number(port) > 65_535) throw invalid(`${where} is no HOST:PORT.`);
  return { is: "socket", host: host ?? "127.0.0.1", port: Number(port) };
}

/** The part of a URI behind the key. */
export const writeAddress = (address: TpmAddress): string =>
  address.is === "device" ? `?device=${address.path}` : `?swtpm=${address.host}:${address.port}`;

export const shownAddress = (address: TpmAddress): string =>
  address.is === "device" ? `the TPM at ${address.path}` : `the TPM at ${address.host}:${address.port}`;
