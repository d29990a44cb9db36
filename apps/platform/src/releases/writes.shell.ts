import { canonicalJson, newId, type Scope } from "@tenfold/base";
import type { Actor, ReleaseChannel, ReleaseStatement, SignedRelease } from "@tenfold/contracts";
import { readPublicKey, verifyRelease } from "@tenfold/ota";
import type { Queryable, Transaction } from "../kernel/index.ts";
import type { ReleasesDeps } from "./deps.ts";
import { releaseProblems } from "./errors.ts";
import { differenceOf, type StoredKey, type StoredRelease, trustFor } from "./release.ts";
import { findArtifact, insertKey, insertRelease, listKeys, markKeyRevoked, releasesNamed, replaceEnvelope } from "./store.ts";

type Who = { scope: Scope; actor: Actor };
type Changing = Pick<ReleasesDeps, "db" | "audit" | "clock">;
type Creating = Changing & Pick<ReleasesDeps, "standing">;

/** By id, version or `name@version`. */
export async function findRelease(on: Queryable, scope: Scope, named: string): Promise<StoredRelease | undefined> {
  const found = await releasesNamed(on, scope, named);
  if (found.length <= 1) return found[0];
  throw releaseProblems.release_ambiguous(
    `"${named}" can mean ${found.map(({ name, version }) => `${name}@${version}`).join(" or ")}.`,
    { fix: "Say name@version, or the id." },
  );
}

export async function needRelease(on: Queryable, scope: Scope, named: string): Promise<StoredRelease> {
  const found = await findRelease(on, scope, named);
  if (found) return found;
  throw releaseProblems.release_unknown(`There is no release "${named}".`, { fix: "See `tenfold release list`." });
}

/**
 * Registers a signed release. The server signs nothing: it checks that a registered key did. Saying the same twice is one release;
 * saying something else under a name and version that exist is refused, because devices may already have it.
 */
export async function createRelease(
  { db, audit, clock, standing }: Creating,
  { scope, actor }: Who,
  { envelope, notes, channel = "stable" }: { envelope: SignedRelease; notes: string; channel?: ReleaseChannel },
): Promise<StoredRelease> {
  const { signed } = envelope;
  return db.transaction().execute(async (tx) => {
    const stands = await standing(tx, scope, signed);
    if (stands.is === "unlisted")
      throw releaseProblems.release_unlisted(stands.detail, {
        field: "envelope.signed",
        fix: "List it first: `tenfold artifact sign FILE --tuf FOLDER`, then `tenfold tuf publish FOLDER`.",
      });
    const verdict = verifyRelease(envelope, trustFor(stands, await listKeys(tx, scope)));
    if (verdict.is === "refuse") {
      throw releaseProblems.release_untrusted(verdict.detail, {
        field: "envelope.signatures",
        fix: "Sign it with a registered key, or register the signer's public key (`tenfold api POST /api/v1/signing-keys`).",
      });
    }
    const artifact = await findArtifact(tx, scope, signed.artifact.sha256);
    if (!artifact)
      throw releaseProblems.artifact_unknown(`The artifact ${signed.artifact.sha256} was not uploaded.`, {
        field: "envelope.signed.artifact.sha256",
        fix: `PUT it to /api/v1/artifacts/${signed.artifact.sha256} first.`,
      });
    if (artifact.size !== signed.artifact.size)
      throw releaseProblems.artifact_size_mismatch(
        `The artifact has ${artifact.size} bytes; the statement says ${signed.artifact.size}.`,
        { field: "envelope.signed.artifact.size" },
      );
    await needStones(tx, scope, signed);
    const createdAt = clock.now();
    const release = {
      id: newId("rel", createdAt),
      name: signed.name,
      version: signed.version,
      models: signed.models,
      artifact,
      envelope,
      signedBy: verdict.signedBy,
      notes,
      channel,
      createdAt,
    };
    if (!(await insertRelease(tx, scope, release))) {
      const existing = sameOrRefused(await needRelease(tx, scope, `${signed.name}@${signed.version}`), envelope);
      if (!isSignedAnew(existing.envelope, envelope)) return existing;
      await replaceEnvelope(tx, scope, { id: existing.id, envelope, signedBy: verdict.signedBy });
      await audit(tx, scope, {
        actor,
        action: "release.signed_anew",
        subject: { kind: "release", id: existing.id },
        detail: { name: existing.name, version: existing.version, signedBy: verdict.signedBy },
      });
      return { ...existing, envelope, signedBy: verdict.signedBy };
    }
    await audit(tx, scope, {
      actor,
      action: "release.created",
      subject: { kind: "release", id: release.id },
      detail: { name: release.name, version: release.version, sha256: artifact.sha256, channel, signedBy: verdict.signedBy },
    });
    return release;
  });
}

/** A stepping stone that is not here would leave older devices behind for ever, and nobody would have said so. */
async function needStones(tx: Transaction, scope: Scope, { name, version, mustPassThrough = [] }: ReleaseStatement): Promise<void> {
  for (const [i, stone] of mustPassThrough.entries()) {
    if ((await releasesNamed(tx, scope, `${name}@${stone}`)).length > 0) continue;
    throw releaseProblems.release_stone_unknown(
      `${name} ${version} must pass through ${stone}, and there is no release ${name} ${stone}.`,
      { field: `envelope.signed.mustPassThrough.${i}`, fix: `Register ${name} ${stone} first.` },
    );
  }
}

/** The very same statement under other signatures, as after a rotation of keys. */
const isSignedAnew = (known: SignedRelease, other: SignedRelease): boolean =>
  canonicalJson(known.signed) === canonicalJson(other.signed) &&
  canonicalJson(known.signatures) !== canonicalJson(other.signatures);

function sameOrRefused(existing: StoredRelease, envelope: SignedRelease): StoredRelease {
  const difference = differenceOf(existing.envelope.signed, envelope.signed);
  if (difference === undefined) return existing;
  throw releaseProblems.release_exists(
    `Release ${existing.name} ${existing.version} exists since ${new Date(existing.createdAt).toISOString()} with ${difference}. Releases never change.`,
    { field: "envelope.signed", fix: "Give the new one its own version." },
  );
}

export async function createSigningKey(
  { db, audit, clock }: Changing,
  { scope, actor }: Who,
  { name, publicKeyPem }: { name: string; publicKeyPem: string },
): Promise<StoredKey> {
  const { keyid, pem } = readPublicKey(publicKeyPem);
  return db.transaction().execute(async (tx) => {
    const key = { keyid, name, publicKeyPem: pem, createdAt: clock.now() };
    if (!(await insertKey(tx, scope, key)))
      throw releaseProblems.signing_key_exists(`The key ${keyid} is already registered.`, {
        field: "publicKeyPem",
        fix: "A revoked key never comes back: make a new one.",
      });
    await audit(tx, scope, { actor, action: "signing_key.created", subject: { kind: "signing_key", id: keyid }, detail: { name } });
    return key;
  });
}

export async function revokeSigningKey(
  { db, audit, clock }: Changing,
  { scope, actor }: Who,
  { keyid, reason }: { keyid: string; reason: string },
): Promise<StoredKey> {
  return db.transaction().execute(async (tx) => {
    const revoked = await markKeyRevoked(tx, scope, { keyid, at: clock.now() });
    const key = (await listKeys(tx, scope)).find((one) => one.keyid === keyid);
    if (!key) throw releaseProblems.signing_key_unknown(`There is no signing key ${keyid}.`);
    if (revoked)
      await audit(tx, scope, {
        actor,
        action: "signing_key.revoked",
        subject: { kind: "signing_key", id: keyid },
        detail: { name: key.name, reason },
      });
    return key;
  });
}
