import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { newId, type Scope } from "@tenfold/base";
import type { Actor } from "@tenfold/contracts";
import type { Transaction } from "../../kernel/index.ts";
import type { ReleasesDeps } from "../deps.ts";
import { releaseProblems } from "../errors.ts";
import { lockRelease } from "../store.ts";
import { needRelease } from "../writes.shell.ts";
import { assertCycloneDx } from "./cyclonedx.shell.ts";
import { readProvenance, readVouchingKey, vouchedBy } from "./provenance.ts";
import { type Component, nesting, readSbom } from "./sbom.ts";
import {
  type Attachment,
  attachmentsOf,
  deleteAttachment,
  insertAttachment,
  insertComponents,
  insertProvenanceKey,
  listProvenanceKeys,
  type ProvenanceKey,
  revokeProvenanceKeyRow,
  writeVouchers,
} from "./store.ts";

type Deps = Pick<ReleasesDeps, "db" | "blobs" | "audit" | "clock">;
type Who = { scope: Scope; actor: Actor };
type Judged = Pick<Attachment, "kind" | "format" | "summary" | "verifiedBy"> & { components: readonly Component[] };
export type Document = { named: string; text: string };

/** Attaches an SBOM: valid by its own schema, and of this artifact. The same document twice is one. */
export async function attachSbom(deps: Deps, who: Who, { named, text }: Document): Promise<Attachment> {
  const { id, artifact } = await needRelease(deps.db, who.scope, named);
  const parsed = parse(text);
  await assertCycloneDx(text, parsed);
  const { components, specVersion, serialNumber, vulnerabilities } = readSbom(parsed, artifact);
  const summary = { components: components.length, vulnerabilities, ...(serialNumber ? { serialNumber } : {}) };
  return keep(deps, who, {
    release: id,
    text,
    judged: { kind: "sbom", format: `CycloneDX ${specVersion}`, summary, verifiedBy: [], components },
  });
}

/** Attaches provenance: of this artifact, and with a signature that holds wherever it claims a key that is known here. */
export async function attachProvenance(deps: Deps, who: Who, { named, text }: Document): Promise<Attachment> {
  const { id, artifact } = await needRelease(deps.db, who.scope, named);
  const { provenance, envelope, format } = readProvenance(parse(text), artifact);
  const keys = (await listProvenanceKeys(deps.db, who.scope)).filter(({ revokedAt }) => revokedAt === undefined);
  const verifiedBy = envelope
    ? vouchedBy(
        envelope,
        keys.map(({ publicKeyPem }) => readVouchingKey(publicKeyPem)),
      )
    : [];
  const claimed = envelope?.signatures.find(({ keyid }) => keys.some((key) => key.keyid === keyid));
  if (verifiedBy.length === 0 && claimed)
    throw releaseProblems.provenance_signature_invalid(
      `The provenance says that ${claimed.keyid} signed it, and the signature does not hold.`,
      { field: "signatures", fix: "It was changed after it was signed: make it anew." },
    );
  return keep(deps, who, {
    release: id,
    text,
    judged: { kind: "provenance", format, summary: provenance, verifiedBy, components: [] },
  });
}

/** No SBOM needs more, and what validates walks down by calling itself. */
const deepest = 64;

function parse(text: string): unknown {
  try {
    if (nesting(text) > deepest) throw new Error(`it is nested deeper than ${deepest}`);
    return JSON.parse(text);
  } catch (cause) {
    throw releaseProblems.attachment_invalid("The document is no JSON that can be read here.", { cause, field: "body.document" });
  }
}

/** Attached again after its builder's key was registered, a document is vouched for from then on. */
async function vouchAnew(
  tx: Transaction,
  scope: Scope,
  { known, verifiedBy }: { known: Attachment; verifiedBy: readonly string[] },
): Promise<Attachment> {
  const vouching = [...new Set([...known.verifiedBy, ...verifiedBy])];
  if (vouching.length > known.verifiedBy.length) await writeVouchers(tx, scope, { id: known.id, verifiedBy: vouching });
  return { ...known, verifiedBy: vouching };
}

/** The bytes first, the row second: a row promises bytes. */
async function keep(
  { db, blobs, audit, clock }: Deps,
  { scope, actor }: Who,
  { release, text, judged: { components, ...judged } }: { release: string; text: string; judged: Judged },
): Promise<Attachment> {
  const bytes = Buffer.from(text, "utf8");
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  await blobs.put(Readable.from([bytes]), { sha256, maxBytes: bytes.length });
  const createdAt = clock.now();
  const one: Attachment = {
    ...judged,
    id: newId("att", createdAt),
    release,
    sha256,
    size: bytes.length,
    createdBy: actor.name,
    createdAt,
  };
  return db.transaction().execute(async (tx) => {
    if (!(await insertAttachment(tx, scope, one))) {
      const known = (await attachmentsOf(tx, scope, release)).find((other) => other.kind === one.kind && other.sha256 === sha256);
      return known ? vouchAnew(tx, scope, { known, verifiedBy: one.verifiedBy }) : one;
    }
    await insertComponents(tx, scope, { attachment: one.id, release, components });
    await audit(tx, scope, {
      actor,
      action: `release.${one.kind}_attached`,
      subject: { kind: "release", id: release },
      detail: { attachment: one.id, sha256, format: one.format, verifiedBy: one.verifiedBy },
    });
    return one;
  });
}

/** Takes an attachment away again, as long as no rollout can have relied on it. */
export async function detach(
  { db, audit }: Deps,
  { scope, actor }: Who,
  { named, id }: { named: string; id: string },
): Promise<void> {
  await db.transaction().execute(async (tx) => {
    const found = await needRelease(tx, scope, named);
    const release = (await lockRelease(tx, scope, found.id)) ?? found;
    const one = await needAttachment({ db }, scope, { release: release.id, id });
    if (release.usedAt !== undefined)
      throw releaseProblems.release_in_use(`A rollout has used ${release.name} ${release.version}; what is attached to it stays.`, {
        fix: "Attach what is right beside it; nothing that was said is taken back.",
      });
    await deleteAttachment(tx, scope, id);
    await audit(tx, scope, {
      actor,
      action: `release.${one.kind}_detached`,
      subject: { kind: "release", id: release.id },
      detail: { attachment: id, sha256: one.sha256 },
    });
  });
}

export async function needAttachment(
  { db }: Pick<Deps, "db">,
  scope: Scope,
  { release, id }: { release: string; id: string },
): Promise<Attachment> {
  const one = (await attachmentsOf(db, scope, release)).find((each) => each.id === id);
  if (one) return one;
  throw releaseProblems.attachment_unknown(`Nothing with the id ${id} is attached to this release.`);
}

/** Trusts a key to vouch for how artifacts were built. */
export async function trustProvenanceKey(
  { db, audit, clock }: Deps,
  { scope, actor }: Who,
  { name, publicKeyPem }: { name: string; publicKeyPem: string },
): Promise<ProvenanceKey> {
  const { keyid, pem } = readVouchingKey(publicKeyPem);
  return db.transaction().execute(async (tx) => {
    const key = { keyid, name, publicKeyPem: pem, createdAt: clock.now() };
    if (!(await insertProvenanceKey(tx, scope, key)))
      throw releaseProblems.signing_key_exists(`The key ${keyid} is already registered.`, {
        field: "publicKeyPem",
        fix: "A revoked key never comes back: make a new one.",
      });
    await audit(tx, scope, {
      actor,
      action: "provenance_key.created",
      subject: { kind: "provenance_key", id: keyid },
      detail: { name },
    });
    return key;
  });
}

/** What it vouched for is shown as vouched for by a revoked key from now on. */
export async function revokeProvenanceKey(
  { db, audit, clock }: Deps,
  { scope, actor }: Who,
  { keyid, reason }: { keyid: string; reason: string },
): Promise<ProvenanceKey> {
  return db.transaction().execute(async (tx) => {
    const revoked = await revokeProvenanceKeyRow(tx, scope, { keyid, at: clock.now() });
    const key = (await listProvenanceKeys(tx, scope)).find((one) => one.keyid === keyid);
    if (!key) throw releaseProblems.signing_key_unknown(`There is no provenance key ${keyid}.`);
    if (revoked)
      await audit(tx, scope, {
        actor,
        action: "provenance_key.revoked",
        subject: { kind: "provenance_key", id: keyid },
        detail: { name: key.name, reason },
      });
    return key;
  });
}
