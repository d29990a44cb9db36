/** Numbers of the TPM 2.0 Library Specification (TCG, part 2), by its own names. */
export const alg = {
  rsa: 0x0001,
  sha1: 0x0004,
  aes: 0x0006,
  keyedHash: 0x0008,
  sha256: 0x000b,
  sha384: 0x000c,
  sha512: 0x000d,
  null: 0x0010,
  rsassa: 0x0014,
  rsaes: 0x0015,
  rsapss: 0x0016,
  oaep: 0x0017,
  ecdsa: 0x0018,
  ecdaa: 0x001a,
  ecc: 0x0023,
  cfb: 0x0043,
} as const;

export const curve = { p256: 0x0003, p384: 0x0004 } as const;

/** TPMA_OBJECT. */
export const attribute = {
  fixedTpm: 1 << 1,
  stClear: 1 << 2,
  fixedParent: 1 << 4,
  sensitiveDataOrigin: 1 << 5,
  userWithAuth: 1 << 6,
  adminWithPolicy: 1 << 7,
  noDa: 1 << 10,
  encryptedDuplication: 1 << 11,
  restricted: 1 << 16,
  decrypt: 1 << 17,
  sign: 1 << 18,
} as const;

export const structureTag = { attestCertify: 0x8017, attestQuote: 0x8018, noSessions: 0x8001, sessions: 0x8002 } as const;

export const commandCode = {
  evictControl: 0x120,
  createPrimary: 0x131,
  activateCredential: 0x147,
  certify: 0x148,
  nvRead: 0x14e,
  policySecret: 0x151,
  create: 0x153,
  load: 0x157,
  quote: 0x158,
  sign: 0x15d,
  flushContext: 0x165,
  nvReadPublic: 0x169,
  readPublic: 0x173,
  startAuthSession: 0x176,
  pcrRead: 0x17e,
} as const;

export const handle = { owner: 0x4000_0001, null: 0x4000_0007, password: 0x4000_0009, endorsement: 0x4000_000b } as const;

/** Hash algorithms that we verify with, by their number: the name for node:crypto and the size in bytes. */
export const hashes: Readonly<Record<number, { name: "sha256" | "sha384" | "sha512"; size: number }>> = {
  [alg.sha256]: { name: "sha256", size: 32 },
  [alg.sha384]: { name: "sha384", size: 48 },
  [alg.sha512]: { name: "sha512", size: 64 },
};
