import { type Der, expectTag, readOid } from "./der-read.ts";
import { ia5String, oid, printableString, sequence, setOf, tags, utf8String } from "./der-write.ts";
import { pkiProblems } from "./errors.ts";
import { oids } from "./oids.ts";

export type NameAttribute = { readonly type: string; readonly value: string };

/** A distinguished name: its exact bytes, and its relative names in order (each usually one attribute). */
export type Name = { readonly der: Buffer; readonly parts: readonly (readonly NameAttribute[])[] };

const shortNames: Readonly<Record<string, string>> = {
  [oids.commonName]: "CN",
  [oids.serialNumber]: "serialNumber",
  [oids.countryName]: "C",
  [oids.localityName]: "L",
  [oids.stateName]: "ST",
  [oids.organizationName]: "O",
  [oids.organizationalUnitName]: "OU",
  [oids.domainComponent]: "DC",
  [oids.emailAddress]: "emailAddress",
};

export function readName(element: Der | undefined, what: string): Name {
  const name = expectTag(element, tags.sequence, what);
  const parts = name.children.map((part) => {
    const attributes = expectTag(part, tags.set, `${what}'s relative name`).children;
    if (attributes.length === 0) throw pkiProblems.der_malformed(`This is not DER: ${what} has an empty relative name.`);
    return attributes.map((attribute) => readAttribute(attribute, what));
  });
  return { der: name.raw, parts };
}

function readAttribute(element: Der, what: string): NameAttribute {
  const [type, value, ...more] = expectTag(element, tags.sequence, `${what}'s attribute`).children;
  if (value === undefined || more.length > 0)
    throw pkiProblems.der_malformed(`This is not DER: an attribute of ${what} is no pair.`);
  return { type: readOid(type, `${what}'s attribute type`), value: readText(value) };
}

/** The text of a directory string; of another type, its bytes in hex, so that it can still be compared and shown. */
export function readText(value: Der): string {
  switch (value.tag) {
    case tags.utf8String:
      return value.body.toString("utf8");
    case tags.printableString:
    case tags.ia5String:
    case tags.teletexString:
      return value.body.toString("latin1");
    case tags.bmpString:
      return value.body.length % 2 === 0 ? Buffer.from(value.body).swap16().toString("utf16le") : `#${value.raw.toString("hex")}`;
    default:
      return `#${value.raw.toString("hex")}`;
  }
}

/** Writes a name from attributes in order, one relative name each. */
export function makeName(attributes: readonly NameAttribute[]): Name {
  const der = sequence(...attributes.map(({ type, value }) => setOf(sequence(oid(type), writeText(type, value)))));
  return { der, parts: attributes.map((attribute) => [attribute]) };
}

const printable = /^[A-Za-z0-9 '()+,\-./:=?]*$/;

// [RFC 5280 A.1] countryName and serialNumber are PrintableString; the rest is UTF8String unless an older type is demanded.
function writeText(type: string, value: string): Buffer {
  if (type === oids.domainComponent || type === oids.emailAddress) return ia5String(value);
  const strict = type === oids.countryName || type === oids.serialNumber;
  return strict && printable.test(value) ? printableString(value) : utf8String(value);
}

export const commonNameOf = (name: Name): string | undefined => attributeOf(name, oids.commonName);
export const serialNumberOf = (name: Name): string | undefined => attributeOf(name, oids.serialNumber);

/** The last attribute of a type: the most specific one. */
export function attributeOf(name: Name, type: string): string | undefined {
  return name.parts.flat().findLast((attribute) => attribute.type === type)?.value;
}

/** [RFC 5280 7.1] Equal names: the same relative names in order; letter case and runs of spaces do not count. */
export function sameName(a: Name, b: Name): boolean {
  return a.der.equals(b.der) || comparable(a) === comparable(b);
}

function comparable(name: Name): string {
  const fold = ({ type, value }: NameAttribute) => `${type}=${value.normalize("NFKC").trim().replace(/\s+/g, " ").toLowerCase()}`;
  return JSON.stringify(name.parts.map((part) => part.map(fold).sort()));
}

/** For people, after RFC 4514 but in the order of the certificate: `O=Acme, CN=Device CA`. */
export function formatName(name: Name): string {
  const one = ({ type, value }: NameAttribute) => `${shortNames[type] ?? type}=${value.replace(/[,+"\\<>;]/g, "\\$&")}`;
  return name.parts.map((part) => part.map(one).join("+")).join(", ");
}
