import { createHash } from "node:crypto";
import { newId, Problem, type Scope } from "@tenfold/base";
import { type Actor, type ManifestKey, parseManifest } from "@tenfold/contracts";
import { fromBase64, type PublicKey, readPublicKeyDer, readPublicKeyPem, spkiFingerprint, verifyCms } from "@tenfold/pki";
import type { Transaction } from "../kernel/index.ts";
import type { EnrollmentDeps } from "./deps.ts";
import { enrollmentProblems } from "./errors.ts";
import {
  deleteKey,
  everyManifestMustBeSigned,
  insertEntries,
  insertKey,
  insertManifest,
  loadSigningKeys,
  type ManifestRow,
  type SigningKey,
} from "./manifest-store.shell.ts";
import { findAnchor } from "./store.ts";

type Counts = { expected: number; already: number };

/** Who announces devices, and how it is known that it was them. Each change and its audit entry are one transaction. */
export type Manifests = {
  /** Expects devices on the word of the person who imports them. Throws `manifest_unsigned` where every manufacturer must sign. */
  announce(scope: Scope, wish: { entries: readonly ManifestRow[]; actor: Actor }): Promise<Counts>;
  /** The same on a manufacturer's signed word. Throws `manifest_invalid` and `manifest_signature_invalid`. */
  announceSigned(
    scope: Scope,
    wish: { document: string; signature: string; actor: Actor },
  ): Promise<Counts & { signedBy: string; keyFingerprint: string }>;
  addManifestKey(scope: Scope, wish: { anchor: string; name: string; publicKeyPem: string; actor: Actor }): Promise<ManifestKey>;
  removeManifestKey(scope: Scope, wish: { anchor: string; id: string; actor: Actor }): Promise<void>;
};

type Importing = { entries: readonly ManifestRow[]; actor: Actor; documentHash?: string; signature?: Signature };
type Signature = { key: SigningKey; signedAt: number | undefined };

export function createManifests({
  db,
  registry,
  audit,
  clock,
}: Pick<EnrollmentDeps, "db" | "registry" | "audit" | "clock">): Manifests {
  const take = (scope: Scope, wish: Importing) =>
    db.transaction().execute((tx) => importEntries(tx, { registry, audit }, { ...wish, scope, at: clock.now() }));
  return {
    async announce(scope, { entries, actor }) {
      if (await everyManifestMustBeSigned(db, scope)) {
        throw enrollmentProblems.manifest_unsigned("Every manufacturer here must sign its manifests, and this one is not signed.", {
          fix: "Import it with its signature: `tenfold enroll manifest FILE --signature FILE.p7s`.",
        });
      }
      return take(scope, { entries, actor });
    },

    async announceSigned(scope, { document, signature, actor }) {
      const content = Buffer.from(document, "utf8");
      const { key, signedAt } = verify(await loadSigningKeys(db, scope), content, signature);
      // Only now is it worth reading.
      const entries = parseManifest(document);
      const documentHash = createHash("sha256").update(content).digest("hex");
      const counts = await take(scope, { entries, actor, documentHash, signature: { key, signedAt } });
      return { ...counts, signedBy: key.anchor.name, keyFingerprint: key.fingerprint };
    },

    addManifestKey: (scope, { anchor, name, publicKeyPem, actor }) =>
      db.transaction().execute(async (tx) => {
        const trusted = await findAnchor(tx, scope, anchor);
        if (trusted === undefined) throw enrollmentProblems.trust_anchor_unknown(`There is no trust anchor ${anchor}.`);
        const publicKey = readKey(publicKeyPem);
        const [at, fingerprint] = [clock.now(), spkiFingerprint(publicKey.der)];
        const made = await insertKey(tx, scope, { id: newId("mky", at), anchor, name, publicKey: publicKey.der, fingerprint, at });
        if (made === undefined)
          throw enrollmentProblems.manifest_key_exists(`The key ${fingerprint} speaks for a manufacturer already.`, {
            field: "publicKeyPem",
          });
        await audit(tx, scope, {
          actor,
          action: "manifest_key.created",
          subject: { kind: "trust_anchor", id: anchor },
          detail: { id: made.id, name, fingerprint },
        });
        return made;
      }),

    removeManifestKey: (scope, { anchor, id, actor }) =>
      db.transaction().execute(async (tx) => {
        const gone = await deleteKey(tx, scope, { anchor, id });
        if (gone === undefined) throw enrollmentProblems.manifest_key_unknown(`Trust anchor ${anchor} has no manifest key ${id}.`);
        await audit(tx, scope, {
          actor,
          action: "manifest_key.deleted",
          subject: { kind: "trust_anchor", id: anchor },
          detail: { id, name: gone.name, fingerprint: gone.fingerprint },
        });
      }),
  };
}

type Parts = Pick<EnrollmentDeps, "registry" | "audit">;

async function importEntries(
  tx: Transaction,
  { registry, audit }: Parts,
  { scope, entries, actor, documentHash, signature, at }: Importing & { scope: Scope; at: number },
): Promise<Counts> {
  const id = newId("man", at);
  const bySerial = new Map(entries.map((entry) => [entry.serial, entry]));
  const signedBy = signature?.key.anchor.fingerprint;
  const fresh = await insertEntries(tx, scope, { entries: [...bySerial.values()], manifest: id, signedBy, at });
  for (const serial of fresh) await registry.register(tx, scope, expectedDevice(serial, bySerial.get(serial)));
  const counts = { expected: fresh.length, already: entries.length - fresh.length };
  const signed = signature && {
    signedBy: signature.key.anchor.fingerprint,
    keyFingerprint: signature.key.fingerprint,
    signedAt: signature.signedAt,
  };
  await insertManifest(tx, scope, {
    id,
    at,
    importedBy: actor.name,
    ...counts,
    ...(documentHash === undefined ? {} : { documentHash }),
    ...(signed ? { signature: signed } : {}),
  });
  const by = signature ? { signedBy: signature.key.anchor.name, keyFingerprint: signature.key.fingerprint } : {};
  await audit(tx, scope, { actor, action: "manifest.imported", subject: { kind: "manifest", id }, detail: { ...counts, ...by } });
  return counts;
}

/** Whose signature it is, out of the keys that are registered. */
function verify(keys: readonly SigningKey[], content: Buffer, signature: string): Signature {
  const no = (why: string, fix: string, cause?: unknown) =>
    enrollmentProblems.manifest_signature_invalid(`The manifest is not believed: ${why}`, { field: "signature", fix, cause });
  const again = "Sign the very file that is imported: `tenfold enroll sign FILE --key KEY.pem` (or `openssl cms -sign -binary`).";
  const names = keys.map(({ anchor, fingerprint }) => `${fingerprint.slice(0, 16)}… of ${anchor.name}`).join(", ");
  try {
    const publicKeys = new Map(keys.map((key) => [readPublicKeyDer(key.publicKey), key] as const));
    const verdict = verifyCms({ message: fromBase64(signature), content, keys: [...publicKeys.keys()] });
    if (verdict.is === "unproven") {
      throw verdict.because === "content_differs"
        ? no("the signature is a manufacturer's, but over another document.", again)
        : no(
            `no registered manifest key has signed it (there are: ${names || "none"}).`,
            "Register the manufacturer's key: `tenfold enroll key ANCHOR KEY.pem`.",
          );
    }
    const key = publicKeys.get(verdict.by);
    if (key === undefined) throw new TypeError("The verdict names one of the keys that were given.");
    return { key, signedAt: verdict.signedAt };
  } catch (error) {
    if (error instanceof Problem && error.code !== "manifest_signature_invalid") throw no(error.message, error.fix ?? again, error);
    throw error;
  }
}

function readKey(pem: string): PublicKey {
  try {
    return readPublicKeyPem(pem);
  } catch (cause) {
    if (!(cause instanceof Problem)) throw cause;
    throw enrollmentProblems.manifest_key_unusable(`This cannot be a manifest key: ${cause.message}`, {
      field: "publicKeyPem",
      fix: cause.fix ?? "Give a PUBLIC KEY or a CERTIFICATE in PEM form.",
      cause,
    });
  }
}

export const expectedDevice = (id: string, { model, tags }: Partial<ManifestRow> = {}) => ({
  id,
  lifecycle: "expected" as const,
  ...(model === undefined ? {} : { model }),
  ...(tags === undefined ? {} : { tags }),
});
