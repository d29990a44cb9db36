import { createPrivateKey } from "node:crypto";
import { isIP } from "node:net";
import { hostname } from "node:os";
import { join } from "node:path";
import { days, describeError, minutes } from "@tenfold/base";
import {
  type AlternativeName,
  type Authority,
  type Certificate,
  createIssuing,
  createRoot,
  fileKeyStore,
  fromPem,
  issueCertificate,
  issuerOf,
  type KeyStore,
  makeName,
  makePrivateFolder,
  newDeviceKey,
  oids,
  privateKeyPem,
  publicKeyOf,
  randomSerial,
  readCertificate,
  readOptionalFile,
  readPrivateFile,
  toPem,
  validateChain,
  writeFileAtomically,
} from "@tenfold/pki";
import { enrollmentProblems } from "./errors.ts";

/** What the device endpoints show: PEM, the server's certificate first. `ca` is empty on purpose (see docs/protocol/enrollment.md 2.3). */
export type ServerTls = { key: string; cert: string; ca: string[] };

/** The first authority, as its files say. Rotations lie on it (authorities.shell.ts). */
export type OwnAuthority = {
  readonly root: Certificate;
  /** Absent when an operator took the root's key off line. */
  readonly rootSigner: Authority["signer"] | undefined;
  readonly issuing: Authority;
  /** PEM of the root, for devices to trust. */
  readonly trustedCaPem: string;
  /** The server's certificate by the authority that serves; a new one when two thirds of its life are over or names or authority changed. */
  serverTls(now: number, serving?: Serving): Promise<ServerTls>;
};

/** Who signs the server's certificate, and what is sent behind it. */
export type Serving = { readonly authority: Authority; readonly chain: readonly Certificate[] };

const issuingLifetime = days(5 * 365);
const serverLifetime = days(90);
/** Our certificates begin a little in the past, for devices whose clocks are slow. */
export const clockAllowance = minutes(5);

const named = (name: string) => [
  { type: oids.organizationName, value: "Tenfold" },
  { type: oids.commonName, value: name },
];

/** Opens the authority in `folder`, or makes it at the first start. Safe to interrupt at any line: what is missing is made again. */
export async function openAuthority({
  folder,
  keys = fileKeyStore(folder),
  hostnames,
  now,
}: {
  folder: string;
  /** Where the authority's keys live; files in the folder unless told otherwise. */
  keys?: KeyStore;
  hostnames: readonly string[];
  now: number;
}): Promise<OwnAuthority> {
  await makePrivateFolder(folder);
  const rootFile = join(folder, "root.pem");
  const issuingFile = join(folder, "issuing.pem");
  const issuingCertificate = await openCertificate(issuingFile);
  const root = await openRoot({ keys, file: rootFile, now, issuingExists: issuingCertificate !== undefined });
  const issuing = await openIssuing({ keys, file: issuingFile, now, root, certificate: issuingCertificate });
  const trustedCaPem = toPem("CERTIFICATE", root.certificate.der);
  await writeFileAtomically(join(folder, "ca.pem"), trustedCaPem, 0o644);
  const first: Serving = { authority: issuing, chain: [issuing.certificate] };
  return {
    root: root.certificate,
    rootSigner: root.authority?.signer,
    issuing,
    trustedCaPem,
    serverTls: (at, serving = first) => openServer({ folder, names: serverNames(hostnames), serving, now: at }),
  };
}

type Opened = { keys: KeyStore; file: string; now: number };
/** The root's key may be absent: an operator can take it off line once the issuing CA exists. */
type OpenedRoot = { certificate: Certificate; authority: Authority | undefined };

async function openRoot({ keys, file, now, issuingExists }: Opened & { issuingExists: boolean }): Promise<OpenedRoot> {
  const signer = await keys.open("root");
  const certificate = await openCertificate(file);
  if (certificate !== undefined) {
    if (signer !== undefined && !signer.publicKey.der.equals(certificate.publicKey.der))
      throw inconsistent(`${file} does not belong to root.key.`);
    return { certificate, authority: signer && { certificate, signer } };
  }
  if (issuingExists) throw inconsistent(`${file} is missing, but issuing.pem is there.`);
  const authority = await createRoot({
    signer: signer ?? (await keys.create("root")),
    name: named("Tenfold Root CA"),
    now: now - clockAllowance,
  });
  await writeFileAtomically(file, toPem("CERTIFICATE", authority.certificate.der), 0o644);
  return { certificate: authority.certificate, authority };
}

async function openIssuing({
  keys,
  file,
  now,
  root,
  certificate,
}: Opened & { root: OpenedRoot; certificate: Certificate | undefined }): Promise<Authority> {
  const signer = await keys.open("issuing");
  if (certificate !== undefined) {
    if (signer === undefined)
      throw inconsistent(
        "The issuing CA's key is neither in the folder (issuing.key) nor in the token of ca.key, but issuing.pem is there.",
      );
    if (!signer.publicKey.der.equals(certificate.publicKey.der)) throw inconsistent(`${file} does not belong to issuing.key.`);
    return { certificate, signer };
  }
  if (root.authority === undefined) throw inconsistent("root.key is missing, and there is no issuing CA yet.");
  const made = await createIssuing(root.authority, {
    signer: signer ?? (await keys.create("issuing")),
    name: named("Tenfold Issuing CA"),
    now: now - clockAllowance,
    lifetime: issuingLifetime,
  });
  await writeFileAtomically(file, toPem("CERTIFICATE", made.certificate.der), 0o644);
  return made;
}

const inconsistent = (what: string) =>
  enrollmentProblems.authority_files_inconsistent(`The authority's files contradict each other: ${what}`, {
    fix: "Restore the pki/ folder from a backup as a whole. Delete it only if no device has enrolled: none would be accepted any more.",
  });

async function openCertificate(file: string): Promise<Certificate | undefined> {
  const pem = await readOptionalFile(file);
  if (pem === undefined) return undefined;
  try {
    return readCertificate(fromPem("CERTIFICATE", pem)[0] ?? Buffer.alloc(0));
  } catch (cause) {
    throw enrollmentProblems.authority_files_inconsistent(`${file} holds no certificate: ${describeError(cause)}`, {
      cause,
      fix: "Restore it from a backup.",
    });
  }
}

/** Every name by which a device may call this server; each once. */
function serverNames(hostnames: readonly string[]): AlternativeName[] {
  const all = new Set(["localhost", "127.0.0.1", "::1", hostname(), ...hostnames].filter((name) => name !== ""));
  return [...all].map((value) => ({ kind: isIP(value) === 0 ? ("dns" as const) : ("ip" as const), value }));
}

type ServerWish = { folder: string; names: readonly AlternativeName[]; serving: Serving; now: number };

async function openServer(wish: ServerWish): Promise<ServerTls> {
  const [keyFile, certificateFile] = [join(wish.folder, "server.key"), join(wish.folder, "server.pem")];
  const [key, pem] = [await readPrivateFile(keyFile), await readOptionalFile(certificateFile)];
  if (key !== undefined && pem !== undefined && isServerGood(wish, { key, pem })) return { key, cert: pem, ca: [] };
  const fresh = await makeServer(wish);
  // The key first: a crash between the two leaves a pair that does not match, and that is made again.
  await writeFileAtomically(keyFile, fresh.key, 0o600);
  await writeFileAtomically(certificateFile, fresh.cert, 0o644);
  return fresh;
}

/** Whether the stored certificate belongs to its key and our CA, names every host, and has more than a third of its life before it. */
function isServerGood({ names, serving, now }: ServerWish, { key, pem }: { key: string; pem: string }): boolean {
  try {
    const [first = Buffer.alloc(0), ...behind] = fromPem("CERTIFICATE", pem);
    if (!Buffer.concat(behind).equals(Buffer.concat(serving.chain.map(({ der }) => der)))) return false;
    const leaf = readCertificate(first);
    const chain = validateChain({ leaf, intermediates: [], anchors: [serving.authority.certificate], at: now, usage: "server" });
    const present = new Set(leaf.alternativeNames.map(spell));
    const young = now < leaf.notBefore + ((leaf.notAfter - leaf.notBefore) * 2) / 3;
    const matches = publicKeyOf(createPrivateKey(key)).der.equals(leaf.publicKey.der);
    return chain.is === "valid" && young && matches && names.every((name) => present.has(spell(name)));
  } catch {
    return false;
  }
}

// "::1" is read back in its long form; both must compare equal.
const spell = ({ kind, value }: AlternativeName): string =>
  `${kind}:${kind === "ip" && isIP(value) === 6 ? new URL(`http://[${value}]`).hostname : value.toLowerCase()}`;

async function makeServer({ names, serving, now }: ServerWish): Promise<ServerTls> {
  const key = newDeviceKey();
  const certificate = await issueCertificate({
    issuer: issuerOf(serving.authority),
    subject: makeName([{ type: oids.commonName, value: "Tenfold device endpoints" }]),
    publicKey: publicKeyOf(key),
    serial: randomSerial(),
    notBefore: now - clockAllowance,
    notAfter: Math.min(now + serverLifetime, serving.authority.certificate.notAfter),
    usage: "server",
    alternativeNames: names,
  });
  const cert = [certificate, ...serving.chain].map(({ der }) => toPem("CERTIFICATE", der)).join("");
  return { key: privateKeyPem(key), cert, ca: [] };
}
