/** A device's brain: what to do next, and how to do it in a body (docs/protocol/device.md, docs/decisions/0007-one-brain.md). */

export { type ArtifactWish, fetchArtifact } from "./artifact.ts";
export { type AttestWish, attestKey } from "./attest.ts";
export { fullJitter } from "./backoff.ts";
export type { Body, Link, LinkEvents, MessageCount, Slots } from "./body.ts";
export {
  abandonTrial,
  armTrial,
  type BootChoice,
  type BootRecord,
  bootRecord,
  chooseSlot,
  confirmTrial,
  otherSlot,
  type Slot,
  trialStarts,
} from "./boot.ts";
export { type Brain, type BrainDeps, createBrain, type Rest } from "./brain.ts";
export { bootKeysOf } from "./check-metadata.ts";
export { type CrashArtifact, type CrashWish, sendCrash } from "./crash.ts";
export {
  type CertificateWish,
  type Credentials,
  certifyKey,
  fetchCaCerts,
  type Issued,
  type Proof,
  requestCertificate,
} from "./enroll.ts";
export { deviceProblems } from "./errors.ts";
export type { DeviceServer, Identity } from "./https.ts";
export {
  ackMs,
  connectLink,
  countOf,
  type LinkWish,
  reconnectAdvice,
  refusedForGood,
  renewalSubscription,
  subscriptions,
} from "./link.ts";
export { freshMemory, type Memory, parseMemory, type Update } from "./memory.ts";
export { heartbeatOf, type Sample, senml, topics } from "./messages.ts";
export {
  beginTrust,
  type Checked,
  type DeviceRoots,
  type DeviceTrust,
  follow,
  type MetadataTalk,
  parseDeviceRoots,
  parseDeviceTrust,
} from "./metadata.ts";
export { talkMetadata } from "./metadata-talk.ts";
export { failure, type Note } from "./mind.ts";
export { nextStep, type Step } from "./next-step.ts";
export { type DeviceConfig, defaultPatience, type Picture, type Running, type Session } from "./picture.ts";
export { renewalTalk } from "./renewal.ts";
export { refreshTrust, type TrustBundle, takeTrust } from "./trust.ts";
