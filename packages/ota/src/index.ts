/** Signed releases: make them, verify them, decide on a device whether to take one (docs/protocol/updates.md). */
export { type ArtifactFault, type ArtifactVerifier, type ExpectedArtifact, verifyArtifact } from "./artifact.ts";
export { type Compatibility, type Fitting, type Misfit, type MisfitCause, misfitOf, nextStone } from "./compatibility.ts";
export { otaProblems } from "./errors.ts";
export { generateSigningKey, type PrivateKey, type PublicKey, readPrivateKey, readPublicKey } from "./keys.ts";
export { artifactPath, checkOffer, type Offer, type OfferCheck, type OfferVerdict, type RefusedOffer } from "./offer.ts";
export { addSignature, type RefusedRelease, type ReleaseVerdict, signRelease, type Trust, verifyRelease } from "./release.ts";
