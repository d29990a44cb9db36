import { readFile, writeFile } from "node:fs/promises";
import { api, parseManifest } from "@tenfold/contracts";
import { fromPem, openKey, readCertificate, type Signer, signCms, spkiFingerprint } from "@tenfold/pki";
import type { Command } from "commander";
import type { Session } from "../../context.ts";
import { cliProblems } from "../../exit.ts";
import { ago, facts } from "../../output.ts";
import { addVerb, type Flags, text, word } from "../../verb.ts";

const atOnce = 5_000;

/** `enroll manifest|manifests|sign|key|policy`: which devices to expect, and whose word that is. */
export function enrollManifest(enroll: Command): void {
  addVerb(enroll, {
    usage: "manifest <file>",
    summary: "Imports expected serial numbers (CSV or JSON); on the manufacturer's word where it is signed",
    flags: [["--signature <file>", "the manufacturer's signature (CMS, detached), made by `enroll sign` or openssl"]],
    example: "enroll manifest batch-42.csv --signature batch-42.csv.p7s",
    async run(session, { words: [path = ""], flags }) {
      const document = await readFile(path, "utf8");
      const signature = text(flags, "signature");
      if (signature === undefined) return importPlain(session, document);
      const body = { document, signature: derOf(await readFile(signature)).toString("base64") };
      const made = await (await session.client()).call(api.importSignedManifest, { body });
      session.out.one(made, () => [
        `${made.expected} devices are expected now on the word of ${made.signedBy}; ${made.already} were known already.`,
      ]);
    },
  });
  addVerb(enroll, {
    usage: "manifests",
    summary: "Manifests that were imported, newest first, and who has signed them",
    async run(session) {
      const { items } = await (await session.client()).call(api.listManifests, { query: { limit: 100 } });
      session.out.list(items, (one) => ({
        id: one.id,
        when: ago(one.importedAt),
        by: one.importedBy,
        signed: one.signedBy ?? "not signed",
        expected: one.expected,
        already: one.already,
      }));
    },
  });
  addSign(enroll);
  addKeys(enroll);
}

async function importPlain(session: Session, document: string): Promise<void> {
  const entries = parseManifest(document);
  const client = await session.client();
  const sum = { expected: 0, already: 0 };
  for (let i = 0; i < entries.length; i += atOnce) {
    const part = await client.call(api.importManifest, { body: { entries: entries.slice(i, i + atOnce) } });
    sum.expected += part.expected;
    sum.already += part.already;
    session.out.note(`${Math.min(i + atOnce, entries.length)} of ${entries.length} read`);
  }
  session.out.one(sum, () => [`${sum.expected} devices are expected now; ${sum.already} were known already.`]);
}

/** A signature as openssl writes it: DER, or PEM of either label. */
function derOf(bytes: Buffer): Buffer {
  const block = /-----BEGIN (?:CMS|PKCS7)-----([^-]*)-----END/.exec(bytes.toString("latin1"))?.[1];
  return block === undefined ? bytes : Buffer.from(block, "base64");
}

function addSign(enroll: Command): void {
  addVerb(enroll, {
    usage: "sign <file>",
    summary: "Signs a manifest on the manufacturer's machine; needs no server and no network",
    flags: [
      [
        "--key <key>",
        "the private key whose public half is registered with `enroll key`: a PEM file (0600), or pkcs11:… (RFC 7512)",
      ],
      ["--certificate <file>", "the key's certificate (PEM), to stand in the signature; `openssl cms -verify` wants one"],
      ["--out <file>", "where the signature goes (else FILE.p7s)"],
    ],
    example: "enroll sign batch-42.csv --key manifest-key.pem",
    async run(session, { words: [path = ""], flags }) {
      const content = await readFile(path);
      // What could not be imported is not signed either.
      const entries = parseManifest(content.toString("utf8"));
      const { signer, certificate } = await openSigner(flags);
      const out = text(flags, "out") ?? `${path}.p7s`;
      try {
        await writeFile(out, await signCms({ content, signer, certificate, signedAt: Date.now(), form: "detached" }));
      } finally {
        if (Symbol.asyncDispose in signer) await (signer as Signer & AsyncDisposable)[Symbol.asyncDispose](); // a token's
      }
      const key = spkiFingerprint(signer.publicKey.der);
      session.out.one({ file: out, entries: entries.length, key }, () =>
        facts({
          signed: `${entries.length} serial numbers`,
          into: out,
          key,
          next: `tenfold enroll manifest ${path} --signature ${out}`,
        }),
      );
    },
  });
}

async function openSigner(flags: Flags) {
  const keyPath = text(flags, "key");
  if (keyPath === undefined)
    throw cliProblems.usage("A signature needs --key.", {
      fix: "Make a key with `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out manifest-key.pem`.",
    });
  const signer = await openKey(keyPath);
  const path = text(flags, "certificate");
  if (path === undefined) return { signer, certificate: undefined };
  const [der] = fromPem("CERTIFICATE", await readFile(path, "utf8"));
  const certificate = der && readCertificate(der);
  if (certificate === undefined || !certificate.publicKey.der.equals(signer.publicKey.der))
    throw cliProblems.usage(`${path} is not the certificate of the key in ${keyPath}.`);
  return { signer, certificate };
}

function addKeys(enroll: Command): void {
  addVerb(enroll, {
    usage: "key <anchor> <file>",
    summary: "Believes manifests that are signed with this key (PEM: public key or certificate) for a manufacturer's devices",
    flags: [["--name <name>", "what to call the key"]],
    example: "enroll key anc_… manifest-key.pub --name 'Acme line 3'",
    async run(session, given) {
      const [anchor, path] = [word(given, 0), word(given, 1)];
      const body = { name: text(given.flags, "name") ?? path, publicKeyPem: await readFile(path, "utf8") };
      const key = await (await session.client()).call(api.addManifestKey, { params: { id: anchor }, body });
      session.out.one(key, () => facts({ key: key.id, name: key.name, fingerprint: key.fingerprint }));
    },
  });
  addVerb(enroll, {
    usage: "unkey <anchor> <key>",
    summary: "Believes no further manifest that is signed with this key",
    async run(session, given) {
      const params = { id: word(given, 0), key: word(given, 1) };
      const gone = await (await session.client()).call(api.deleteManifestKey, { params });
      session.out.one(gone, () => [`Manifests that ${params.key} signs are believed no more.`]);
    },
  });
  addVerb(enroll, {
    usage: "policy <anchor>",
    summary: "Says what a manufacturer's word is worth",
    flags: [
      ["--manifests <which>", "any, or signed: only what the manufacturer signed lets its devices in"],
      ["--unknown <what>", "devices that stand in no manifest: approve (they wait) or refuse"],
    ],
    example: "enroll policy anc_… --manifests signed --unknown refuse",
    async run(session, given) {
      const manifests = oneOf(given.flags, "manifests", ["any", "signed"]);
      const unknownDevices = oneOf(given.flags, "unknown", ["approve", "refuse"]);
      if (manifests === undefined && unknownDevices === undefined)
        throw cliProblems.usage("There is nothing to change.", { fix: "Give --manifests or --unknown." });
      const body = { ...(manifests ? { manifests } : {}), ...(unknownDevices ? { unknownDevices } : {}) };
      const anchor = await (await session.client()).call(api.changeTrustAnchor, { params: { id: word(given, 0) }, body });
      session.out.one(anchor, () =>
        facts({ anchor: anchor.name, manifests: anchor.manifests, "unknown devices": anchor.unknownDevices }),
      );
    },
  });
}

/** A flag that is one of a few words; undefined where it was not given. */
export function oneOf<const Word extends string>(flags: Flags, name: string, words: readonly Word[]): Word | undefined {
  const given = text(flags, name);
  if (given === undefined) return undefined;
  const found = words.find((one) => one === given);
  if (found !== undefined) return found;
  throw cliProblems.usage(`--${name} is one of ${words.join(", ")}, not "${given}".`);
}
