/** Signed releases: make them, verify them, decide on a device whether to take one (docs/protocol/updates.md). */
export { type ArtifactFault, type ArtifactVerifier, type ExpectedArtifact, verifyArtifact } from "./artifact.ts";
export { type Compatibility, type Fitting, type Misfit, type MisfitCause, misfitOf, nextStone } from "./compatibility.ts";
export { otaProblems } from "./errors.ts";
export { generateSigningKey, type PrivateKey, type PublicKey, publicKeyOf, readPrivateKey, readPublicKey } from "./keys.ts";
export { artifactPath, checkOffer, type Offer, type OfferCheck, type OfferVerdict, type RefusedOffer } from "./offer.ts";
export {
  addSignature,
  type RefusedRelease,
  type ReleaseVerdict,
  signRelease,
  signReleaseWith,
  type Trust,
  verifyRelease,
} from "./release.ts";
export { canonicalBytes } from "./tuf/canonical.ts";
export { type DirectedImage, type DirectorSet, type DirectorWish, signDirectorSet } from "./tuf/director.ts";
export { type TufKey, tufKeyId, tufKeyOf } from "./tuf/key.ts";
export {
  type DelegatedRole,
  type MetaFile,
  type RoleKeys,
  type TargetFile,
  type Targets,
  type TopRole,
  topRoles,
} from "./tuf/metadata.ts";
export type { MetadataRefusal, RefusedMetadata } from "./tuf/refusal.ts";
export {
  addSignatures,
  type MetadataSigner,
  makeRoot,
  makeSnapshot,
  makeTargets,
  makeTimestamp,
  metadataSigner,
  metadataSignerWith,
  metadataTime,
  metaFileOf,
  type RoleSpec,
  signMetadata,
} from "./tuf/sign.ts";
export {
  freshRoot,
  hashesFit,
  inspectMetadata,
  nextRoot,
  openTrusted,
  type Step,
  signersOf,
  type Trusted,
  topTargets,
  withSnapshot,
  withTargets,
  withTimestamp,
} from "./tuf/trusted.ts";
export { type FoundTarget, findTarget, type MetadataSource, type Refreshed, refresh, type StoredMetadata } from "./tuf/updater.ts";
export * from "./tuf/uptane.ts";
