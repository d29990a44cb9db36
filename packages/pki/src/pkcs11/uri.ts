import { pkiProblems } from "../errors.ts";

/** A token, or an object in it, as RFC 7512 names it. `pin` is where the PIN comes from, never the PIN in an error or a log. */
export type Pkcs11Uri = {
  readonly token: string;
  readonly object: string | undefined;
  /** The library of the token's maker; p11-kit's own list of modules unless told otherwise. */
  readonly modulePath: string | undefined;
  readonly pin: { readonly is: "file"; readonly path: string } | { readonly is: "value"; readonly value: string } | undefined;
};

const pathAttributes = new Set(["token", "object", "type"]);
const queryAttributes = new Set(["module-path", "pin-source", "pin-value"]);
const longest = 1_000;

/**
 * Reads `pkcs11:token=NAME[;object=NAME][?module-path=FILE][&pin-source=file:FILE]` (RFC 7512 2.3). Attributes that we do not act on are
 * refused: a serial number that nobody compares would be a promise. Throws `key_uri_invalid` with the part that is wrong.
 */
export function readPkcs11Uri(text: string): Pkcs11Uri {
  if (!text.startsWith("pkcs11:") || text.length > longest) throw invalid(`${shown(text)} is no pkcs11: URI.`);
  const [path = "", query = "", ...more] = text.slice("pkcs11:".length).split("?");
  if (more.length > 0) throw invalid("A pkcs11: URI has at most one question mark.");
  const names = attributesOf(path, { separator: ";", known: pathAttributes });
  const asked = attributesOf(query, { separator: "&", known: queryAttributes });
  const token = names.get("token");
  if (token === undefined || token === "") throw invalid("A pkcs11: URI must name its token.");
  const type = names.get("type");
  if (type !== undefined && type !== "private") throw invalid("Only private keys are used: leave type out, or say type=private.");
  return { token, object: names.get("object"), modulePath: asked.get("module-path"), pin: pinOf(asked) };
}

/** The URI without its query: what may stand in a log, an error or another program's list of arguments. */
export const tokenUri = ({ token, object }: Pick<Pkcs11Uri, "token" | "object">): string =>
  `pkcs11:token=${encode(token)}${object === undefined ? "" : `;object=${encode(object)}`}`;

function attributesOf(text: string, { separator, known }: { separator: string; known: ReadonlySet<string> }): Map<string, string> {
  const found = new Map<string, string>();
  for (const part of text.split(separator).filter((one) => one !== "")) {
    const at = part.indexOf("=");
    const name = at < 0 ? part : part.slice(0, at);
    if (!known.has(name)) throw invalid(`The attribute "${shown(name)}" is not used here; known are ${[...known].join(", ")}.`);
    if (at < 0 || found.has(name)) throw invalid(`The attribute ${name} must stand once, with a value.`);
    found.set(name, decode(part.slice(at + 1), name));
  }
  return found;
}

function pinOf(asked: ReadonlyMap<string, string>): Pkcs11Uri["pin"] {
  const [source, value] = [asked.get("pin-source"), asked.get("pin-value")];
  if (source !== undefined && value !== undefined) throw invalid("Give pin-source or pin-value, not both.");
  if (value !== undefined) return { is: "value", value };
  if (source === undefined) return undefined;
  const path = source.startsWith("file:") ? source.slice("file:".length).replace(/^\/\//, "") : source;
  if (!path.startsWith("/")) throw invalid("pin-source must name a file by its whole path: pin-source=file:/etc/tenfold/pin.");
  return { is: "file", path };
}

function decode(text: string, name: string): string {
  try {
    return decodeURIComponent(text);
  } catch (cause) {
    throw pkiProblems.key_uri_invalid(`The value of ${name} has a broken percent sign.`, { cause, fix: howTo });
  }
}

const encode = (text: string): string => encodeURIComponent(text).replace(/%2F/g, "/");
const shown = (text: string): string => JSON.stringify(text.slice(0, 60)).slice(1, -1);
const howTo =
  "Write it like pkcs11:token=tenfold;object=device?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=file:/etc/tenfold/pin.";
const invalid = (why: string) => pkiProblems.key_uri_invalid(why, { fix: howTo });
