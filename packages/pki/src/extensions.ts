import { isIP } from "node:net";
import { type Der, expectTag, readBoolean, readDer, readNamedBits, readOid, readSmallInteger } from "./der-read.ts";
import { boolean, context, contextPrimitive, integer, namedBits, octetString, oid, sequence, tags } from "./der-write.ts";
import { pkiProblems } from "./errors.ts";
import { oids } from "./oids.ts";

export type Extension = { readonly oid: string; readonly critical: boolean; readonly value: Buffer };
export type AlternativeName = { readonly kind: "dns" | "ip" | "uri" | "email" | "other"; readonly value: string };
export type BasicConstraints = { readonly ca: boolean; readonly pathLength?: number };

/** [RFC 5280 4.2.1.3] Bits of KeyUsage, by number. */
export const keyUsageBits = { digitalSignature: 0, keyEncipherment: 2, keyAgreement: 4, keyCertSign: 5, crlSign: 6 } as const;

/** Reads Extensions (a SEQUENCE OF Extension); each may stand only once [RFC 5280 4.2]. */
export function readExtensions(element: Der | undefined): Extension[] {
  const extensions = expectTag(element, tags.sequence, "the extensions").children.map(readExtension);
  if (new Set(extensions.map((extension) => extension.oid)).size < extensions.length) {
    throw pkiProblems.der_malformed("This is not DER: an extension stands twice.");
  }
  return extensions;
}

function readExtension(element: Der): Extension {
  const parts = expectTag(element, tags.sequence, "an extension").children;
  const id = readOid(parts[0], "an extension's name");
  const critical = parts.length === 3 ? readBoolean(parts[1], "an extension's critical flag") : false;
  if (parts.length < 2 || parts.length > 3)
    throw pkiProblems.der_malformed(`This is not DER: extension ${id} has a wrong number of parts.`);
  return { oid: id, critical, value: expectTag(parts.at(-1), tags.octetString, `extension ${id}`).body };
}

const findExtension = (extensions: readonly Extension[], id: string): Der | undefined => {
  const found = extensions.find((extension) => extension.oid === id);
  return found === undefined ? undefined : readDer(found.value);
};

export function readBasicConstraints(extensions: readonly Extension[]): BasicConstraints | undefined {
  const element = findExtension(extensions, oids.basicConstraints);
  if (element === undefined) return undefined;
  const parts = [...expectTag(element, tags.sequence, "basicConstraints").children];
  const ca = parts[0]?.tag === tags.boolean ? readBoolean(parts.shift(), "basicConstraints.cA") : false;
  const length = parts.shift();
  if (parts.length > 0) throw pkiProblems.der_malformed("This is not DER: basicConstraints has too many parts.");
  return length === undefined ? { ca } : { ca, pathLength: readSmallInteger(length, "basicConstraints.pathLenConstraint") };
}

export function readKeyUsage(extensions: readonly Extension[]): readonly number[] | undefined {
  const element = findExtension(extensions, oids.keyUsage);
  return element === undefined ? undefined : readNamedBits(element, "keyUsage");
}

export function readExtendedKeyUsage(extensions: readonly Extension[]): readonly string[] | undefined {
  const element = findExtension(extensions, oids.extendedKeyUsage);
  return element === undefined
    ? undefined
    : expectTag(element, tags.sequence, "extKeyUsage").children.map((purpose) => readOid(purpose, "a key purpose"));
}

export function readSubjectKeyId(extensions: readonly Extension[]): Buffer | undefined {
  const element = findExtension(extensions, oids.subjectKeyIdentifier);
  return element === undefined ? undefined : expectTag(element, tags.octetString, "subjectKeyIdentifier").body;
}

export function readAuthorityKeyId(extensions: readonly Extension[]): Buffer | undefined {
  const element = findExtension(extensions, oids.authorityKeyIdentifier);
  if (element === undefined) return undefined;
  return expectTag(element, tags.sequence, "authorityKeyIdentifier").children.find((part) => part.tag === 0x80)?.body;
}

export function readAlternativeNames(extensions: readonly Extension[]): AlternativeName[] {
  const element = findExtension(extensions, oids.subjectAltName);
  return element === undefined ? [] : expectTag(element, tags.sequence, "subjectAltName").children.map(readAlternativeName);
}

// [RFC 5280 4.2.1.6] GeneralName: context tags 1 email, 2 DNS, 6 URI, 7 IP address.
function readAlternativeName({ tag, body, raw }: Der): AlternativeName {
  if (tag === 0x81) return { kind: "email", value: body.toString("latin1") };
  if (tag === 0x82) return { kind: "dns", value: body.toString("latin1") };
  if (tag === 0x86) return { kind: "uri", value: body.toString("latin1") };
  if (tag === 0x87 && (body.length === 4 || body.length === 16)) return { kind: "ip", value: formatAddress(body) };
  return { kind: "other", value: raw.toString("hex") };
}

function formatAddress(bytes: Buffer): string {
  if (bytes.length === 4) return bytes.join(".");
  return Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(i * 2).toString(16)).join(":");
}

export const writeExtension = (id: string, value: Buffer, { critical } = { critical: false }): Buffer =>
  critical ? sequence(oid(id), boolean(true), octetString(value)) : sequence(oid(id), octetString(value));

export const writeBasicConstraints = ({ ca, pathLength }: BasicConstraints): Buffer =>
  sequence(...(ca ? [boolean(true)] : []), ...(pathLength === undefined ? [] : [integer(pathLength)]));

export const writeKeyUsage = (bits: readonly number[]): Buffer => namedBits(bits);
export const writeExtendedKeyUsage = (purposes: readonly string[]): Buffer => sequence(...purposes.map(oid));
export const writeAlternativeNames = (names: readonly AlternativeName[]): Buffer => sequence(...names.map(writeAlternativeName));

function writeAlternativeName({ kind, value }: AlternativeName): Buffer {
  switch (kind) {
    case "email":
      return contextPrimitive(1, Buffer.from(value, "latin1"));
    case "dns":
      return contextPrimitive(2, Buffer.from(value, "latin1"));
    case "uri":
      return contextPrimitive(6, Buffer.from(value, "latin1"));
    case "ip":
      return contextPrimitive(7, addressBytes(value));
    case "other":
      return Buffer.from(value, "hex");
  }
}

function addressBytes(address: string): Buffer {
  if (isIP(address) === 4) return Buffer.from(address.split(".").map(Number));
  const [head = "", tail] = address.split("::");
  const groups = (text: string) => (text === "" ? [] : text.split(":").map((group) => Number.parseInt(group, 16)));
  const left = groups(head);
  const right = groups(tail ?? "");
  const middle = tail === undefined ? [] : Array.from({ length: 8 - left.length - right.length }, () => 0);
  return Buffer.from([...left, ...middle, ...right].flatMap((group) => [group >> 8, group & 0xff]));
}

/** [RFC 5280 4.2.1.13] One distribution point that is one URI. */
export const writeDistributionPoint = (uri: string): Buffer =>
  sequence(sequence(context(0, context(0, contextPrimitive(6, Buffer.from(uri, "latin1"))))));

/** [RFC 5280 4.2.2.1] Where to ask about this certificate's revocation by OCSP. */
export const writeOcspAccess = (uri: string): Buffer =>
  sequence(sequence(oid(oids.ocsp), contextPrimitive(6, Buffer.from(uri, "latin1"))));
