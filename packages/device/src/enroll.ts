import type { KeyObject } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { setTimeout as pause } from "node:timers/promises";
import { Problem } from "@tenfold/base";
import {
  createCsr,
  fromBase64,
  newDeviceKey,
  oids,
  privateKeyPem,
  readCertificate,
  readCertsOnly,
  type Signer,
  signerOf,
  toPem,
} from "@tenfold/pki";
import type { Link } from "./body.ts";
import { deviceProblems } from "./errors.ts";
import { ask, type DeviceServer, type Identity, readBody } from "./https.ts";

/** How a device shows who it is: by a certificate (the manufacturer's, or its current one) or by a one-time code. */
export type Proof =
  | { readonly is: "certificate"; readonly identity: Identity }
  | { readonly is: "code"; readonly serial: string; readonly code: string };

/** A certificate that was issued, in PEM. Times are milliseconds. */
export type Issued = { readonly cert: string; readonly notBefore: number; readonly notAfter: number };

/** What a device with a software key keeps after enrollment. */
export type Credentials = Issued & { readonly key: string };

export type CertificateWish = {
  readonly server: DeviceServer;
  readonly device: string;
  readonly proof: Proof;
  readonly operation: "simpleenroll" | "simplereenroll";
  /** The new private key, where one was made before (a request that waits for approval is known by its key). */
  readonly key?: KeyObject;
  /** How long to go on asking while the platform says "not yet". */
  readonly patienceMs: number;
  readonly signal?: AbortSignal;
  /** A renewal goes over it first: no handshake, and the same rules. */
  readonly link?: Pick<Link, "certify"> | undefined;
};

const idleMs = 15_000;
const maxAnswerBytes = 64 * 1024;
const base64Lines = (der: Uint8Array): string => `${Buffer.from(der).toString("base64").replace(/.{64}/g, "$&\n")}\n`;

/** [RFC 7030 4.1] The authorities that the platform issues from, as PEM. */
export async function fetchCaCerts(server: DeviceServer, signal?: AbortSignal): Promise<string> {
  const answer = await reach(() => ask({ server, path: "/.well-known/est/cacerts", idleMs, signal }));
  if (answer.statusCode !== 200) throw await refusal(answer, "cacerts");
  return (await certificatesIn(answer)).map((der) => toPem("CERTIFICATE", der)).join("");
}

/** As `certifyKey`, for a software key; a new one unless `key` is given. */
export async function requestCertificate({ key = newDeviceKey(), ...wish }: CertificateWish): Promise<Credentials> {
  return { ...(await certifyKey(wish, signerOf(key))), key: privateKeyPem(key) };
}

/**
 * [RFC 7030 4.2] Asks for a certificate for a key that never leaves the device, wherever it is kept. Goes on asking while
 * the answer is 202, the same request each time, until `patienceMs` is over. Throws `enrollment_refused` (the answer says why),
 * `enrollment_pending` (out of patience) or `enrollment_unreachable`.
 */
export async function certifyKey(wish: Omit<CertificateWish, "key">, key: Signer): Promise<Issued> {
  const csr = base64Lines(await createCsr({ key, subject: [{ type: oids.commonName, value: wish.device }] }));
  const onLink = wish.operation === "simplereenroll" ? await renewOnLink(wish.link, csr) : undefined;
  if (onLink !== undefined) return issuedFor(onLink, key);
  const until = performance.now() + wish.patienceMs;
  for (;;) {
    const answer = await reach(() => post(wish, csr));
    if (answer.statusCode === 200) return issuedIn(answer, key);
    if (answer.statusCode !== 202) throw await refusal(answer, wish.operation);
    answer.resume();
    const waitMs = retryAfterMs(answer);
    if (performance.now() + waitMs > until) {
      throw deviceProblems.enrollment_pending(`${wish.device} waits for approval.`, {
        fix: `Approve it: tenfold enroll approve ${wish.device}`,
        retryAfterS: waitMs / 1_000,
      });
    }
    await pause(waitMs, undefined, wish.signal ? { signal: wish.signal } : {});
  }
}

/** [docs/protocol/device.md D5] Undefined where this way is not open: EST then is. What the platform refuses on a link it refuses everywhere. */
async function renewOnLink(link: CertificateWish["link"], csr: string): Promise<Buffer | undefined> {
  try {
    return await link?.certify?.(csr);
  } catch (error) {
    if (error instanceof Problem && error.code.startsWith("enrollment_")) throw error;
    return undefined;
  }
}

/** [RFC 7617] A one-time code travels as HTTP Basic; a certificate needs no header. */
export const headersOf = (proof: Proof): Record<string, string> =>
  proof.is === "code" ? { Authorization: `Basic ${Buffer.from(`${proof.serial}:${proof.code}`).toString("base64")}` } : {};

function post({ server, proof, operation, signal }: Omit<CertificateWish, "key">, body: string): Promise<IncomingMessage> {
  const headers = {
    ...headersOf(proof),
    "Content-Type": "application/pkcs10",
    "Content-Transfer-Encoding": "base64",
    Accept: "application/pkcs7-mime",
  };
  const identity = proof.is === "certificate" ? proof.identity : undefined;
  return ask({ server, path: `/.well-known/est/${operation}`, method: "POST", headers, body, identity, idleMs, signal });
}

async function issuedIn(answer: IncomingMessage, key: Signer): Promise<Issued> {
  const [der] = await certificatesIn(answer);
  if (der === undefined) throw deviceProblems.enrollment_refused("The platform answered without a certificate.");
  return issuedFor(der, key);
}

function issuedFor(der: Buffer, key: Signer): Issued {
  const { publicKey, notBefore, notAfter } = readCertificate(der);
  if (!publicKey.der.equals(key.publicKey.der))
    throw deviceProblems.enrollment_refused("The platform certified another key than this device's.");
  return { cert: toPem("CERTIFICATE", der), notBefore, notAfter };
}

async function certificatesIn(answer: IncomingMessage): Promise<Buffer[]> {
  const body = await reach(() => readBody(answer, maxAnswerBytes));
  return readCertsOnly(fromBase64(body.toString("latin1")));
}

/** [RFC 7030 4.2.3] Seconds, or a date; between a second and ten minutes, whatever is asked for. */
function retryAfterMs({ headers }: IncomingMessage): number {
  const said = headers["retry-after"] ?? "10";
  const wanted = /^\d+$/.test(said) ? Number(said) * 1_000 : Date.parse(said) - Date.now();
  return Math.min(600_000, Math.max(1_000, Number.isFinite(wanted) ? wanted : 10_000));
}

async function refusal(answer: IncomingMessage, operation: string): Promise<Problem> {
  const text = (await readBody(answer, maxAnswerBytes).catch(() => Buffer.alloc(0))).toString("utf8").trim().slice(0, 500);
  const make =
    (answer.statusCode ?? 500) >= 500 || answer.statusCode === 429
      ? deviceProblems.enrollment_unreachable
      : deviceProblems.enrollment_refused;
  return make(`${operation} was answered with ${answer.statusCode}: ${text || "no reason given"}`);
}

async function reach<T>(go: () => Promise<T>): Promise<T> {
  try {
    return await go();
  } catch (cause) {
    if (cause instanceof Problem) throw cause;
    throw deviceProblems.enrollment_unreachable("The platform's enrollment endpoint was not reached.", { cause });
  }
}
