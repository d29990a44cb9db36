/** Numbers of PKCS#11 (OASIS PKCS #11 Specification 3.0), by its own names. */
export const CKO = { publicKey: 2n, privateKey: 3n } as const;
export const CKK = { rsa: 0n, ec: 3n } as const;
export const CKM = { ecKeyPairGen: 0x1040, ecdsa: 0x1041 } as const;
export const CKF = {
  rwSession: 2n,
  serialSession: 4n,
  loginRequired: 4n,
  userPinInitialized: 8n,
  tokenInitialized: 0x400n,
} as const;
export const CKU_USER = 1n;

export const CKA = {
  class: 0x000,
  token: 0x001,
  private: 0x002,
  label: 0x003,
  keyType: 0x100,
  id: 0x102,
  sensitive: 0x103,
  sign: 0x108,
  verify: 0x10a,
  extractable: 0x162,
  ecParams: 0x180,
  ecPoint: 0x181,
  alwaysAuthenticate: 0x202,
} as const;

/** How the remote protocol writes an attribute depends on its type: one byte for CK_BBOOL, eight for CK_ULONG, else counted bytes. */
export const byteAttributes: ReadonlySet<number> = new Set([
  0x001, 0x002, 0x086, 0x103, 0x104, 0x105, 0x106, 0x107, 0x108, 0x109, 0x10a, 0x10b, 0x10c, 0x162, 0x163, 0x164, 0x165, 0x170,
  0x171, 0x200, 0x202, 0x210, 0x302, 0x401,
]);
export const ulongAttributes: ReadonlySet<number> = new Set([
  0x000, 0x080, 0x087, 0x088, 0x100, 0x121, 0x133, 0x134, 0x160, 0x161, 0x166, 0x201, 0x300, 0x500,
]);

/** The return values that somebody can do something about. */
const faults: Readonly<Record<number, { name: string; fix: string }>> = {
  5: { name: "CKR_GENERAL_ERROR", fix: "Look at the log of the token's library." },
  19: { name: "CKR_ATTRIBUTE_VALUE_INVALID", fix: "The token cannot make a P-256 signing key: use another token." },
  48: { name: "CKR_DEVICE_ERROR", fix: "Is the token plugged in, and its service running?" },
  49: { name: "CKR_DEVICE_MEMORY", fix: "The token is full: remove keys that are no longer used." },
  112: { name: "CKR_MECHANISM_INVALID", fix: "The token cannot sign with ECDSA: use another token." },
  160: { name: "CKR_PIN_INCORRECT", fix: "Correct the PIN; a token locks itself after a few wrong ones." },
  164: { name: "CKR_PIN_LOCKED", fix: "Unlock the token with its security officer's PIN." },
  224: { name: "CKR_TOKEN_NOT_PRESENT", fix: "Plug the token in." },
  226: { name: "CKR_TOKEN_WRITE_PROTECTED", fix: "Make the token writable, or use another one." },
  257: { name: "CKR_USER_NOT_LOGGED_IN", fix: "Give the PIN: pin-source=file:FILE in the URI." },
  258: { name: "CKR_USER_PIN_NOT_INITIALIZED", fix: "Set the token's user PIN with the tool of its maker." },
};

export const CKR = {
  ok: 0n,
  attributeTypeInvalid: 0x12n,
  deviceError: 0x30n,
  functionNotSupported: 0x54n,
  keyHandleInvalid: 0x60n,
  mechanismInvalid: 0x70n,
  objectHandleInvalid: 0x82n,
  operationNotInitialized: 0x91n,
  sessionHandleInvalid: 0xb3n,
  userAlreadyLoggedIn: 0x100n,
} as const;

/** A return value by its name, with what to do about it. */
export const faultOf = (value: bigint): { name: string; fix: string } =>
  faults[Number(value)] ?? {
    name: `CKR 0x${value.toString(16)}`,
    fix: "Look it up in the PKCS#11 specification and the token's log.",
  };
