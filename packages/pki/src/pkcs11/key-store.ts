import { createHash, randomBytes } from "node:crypto";
import type { Problem } from "@tenfold/base";
import { expectTag, readDer } from "../der-read.ts";
import { bitString, integer, oid, sequence, tags } from "../der-write.ts";
import { pkiProblems } from "../errors.ts";
import { readPrivateFile } from "../files.ts";
import { algorithmOf, type PublicKey, readPublicKey } from "../keys.ts";
import type { HardwareSigner, KeyStore } from "../keystore.ts";
import { oids } from "../oids.ts";
import { CKA, CKF, CKK, CKM, CKO, CKR, CKU_USER, faultOf } from "./names.ts";
import { type Ask, openRemote, type Remote, TokenRefusal } from "./remote.ts";
import { handshake, type RpcWriter } from "./rpc.ts";
import { type Pkcs11Uri, tokenUri } from "./uri.ts";

export type TokenWish = Pick<Pkcs11Uri, "token" | "modulePath" | "pin">;

/**
 * Keys in a PKCS#11 token: made in it (P-256, not extractable), found by label, used through `p11-kit remote` and so in another process. ECDSA
 * keys on P-256 and P-384. The token is asked again after its helper died. Throws `key_store_unreachable`, `key_store_refused`.
 */
export function pkcs11KeyStore(wish: TokenWish): KeyStore<HardwareSigner> {
  let session: Promise<Session> | undefined;
  const within = async <T>(work: (session: Session) => Promise<T>): Promise<T> => {
    session ??= openSession(wish);
    const mine = session;
    try {
      return await work(await mine);
    } catch (cause) {
      // A helper that died, or a token that was pulled out and put back: the next call begins anew.
      if (session === mine && !(cause instanceof TokenRefusal && isAboutTheCall(cause))) {
        session = undefined;
        await mine.then(({ remote }) => remote.close()).catch(() => {});
      }
      throw cause instanceof TokenRefusal ? refused(wish, cause) : cause;
    }
  };
  const signerFor = (found: FoundKey): HardwareSigner => {
    const algorithm = algorithmOf(found.publicKey.kind);
    const signDigest = (digest: Uint8Array) =>
      within(async (open) => {
        // A handle lives as long as its session; the label outlives both.
        const handle = open === found.session ? found.handle : (await find(open, found.label))?.handle;
        if (handle === undefined) throw keyIsGone(wish, found.label);
        return signWith(open, handle, digest);
      });
    return {
      publicKey: found.publicKey,
      algorithm,
      signDigest,
      async sign(bytes) {
        const digest = createHash(algorithm.hash ?? "sha256")
          .update(bytes)
          .digest();
        return derOfPair(await signDigest(digest));
      },
    };
  };
  const open = async (name: string) => {
    const found = await within((session) => find(session, name));
    return found && signerFor(found);
  };
  return {
    open,
    async create(name) {
      if ((await open(name)) !== undefined)
        throw pkiProblems.key_exists(`The token ${wish.token} has a key "${name}" already.`, {
          fix: "Use another name, or remove it.",
        });
      await within((session) => generate(session, name));
      const made = await open(name);
      if (made === undefined) throw keyIsGone(wish, name);
      return made;
    },
    remove: (name) => within((session) => destroy(session, name)),
    async [Symbol.asyncDispose]() {
      const last = session;
      session = undefined;
      await last?.then(({ remote }) => remote.close()).catch(() => {});
    },
  };
}

type Session = { readonly remote: Remote; readonly handle: bigint };
type FoundKey = { session: Session; handle: bigint; label: string; publicKey: PublicKey };

const nothing = () => undefined;

async function openSession({ token, modulePath, pin }: TokenWish): Promise<Session> {
  const remote = await openRemote({ token: tokenUri({ token, object: undefined }), modulePath });
  try {
    const handle = await remote.turn(async (ask) => {
      const greeting = (to: RpcWriter) =>
        to
          .bytes(handshake)
          .byte(0)
          .bytes(Buffer.from([0]));
      await ask({ call: "C_Initialize", write: greeting, read: nothing });
      const slot = await slotOf(ask, token);
      const flags = CKF.serialSession | CKF.rwSession;
      return ask({ call: "C_OpenSession", write: (to) => to.ulong(slot).ulong(flags), read: (from) => from.ulong() });
    });
    const secret = pin === undefined ? undefined : pin.is === "value" ? pin.value : await readPin(pin.path);
    if (secret !== undefined) await logIn(remote, handle, secret);
    return { remote, handle };
  } catch (cause) {
    await remote.close();
    throw cause;
  }
}

async function slotOf(ask: Ask, token: string): Promise<bigint> {
  const labels: string[] = [];
  const slots = await ask({ call: "C_GetSlotList", write: (to) => to.byte(1).room(64), read: (from) => from.ulongs() });
  for (const slot of slots) {
    const label = await ask({ call: "C_GetTokenInfo", write: (to) => to.ulong(slot), read: (from) => from.text() });
    if (label === token) return slot;
    labels.push(label);
  }
  throw pkiProblems.key_store_unreachable(`There is no token "${token}".`, {
    fix: labels.length === 0 ? "`p11-kit list-modules` shows which tokens are there." : `There are: ${labels.join(", ")}.`,
  });
}

async function readPin(path: string): Promise<string> {
  const text = await readPrivateFile(path);
  if (text !== undefined) return text.trim();
  throw pkiProblems.key_file_unusable(`The PIN file ${path} is missing.`, {
    fix: "Make it, with mode 0600, or correct pin-source=.",
  });
}

async function logIn(remote: Remote, session: bigint, pin: string): Promise<void> {
  try {
    const secret = Buffer.from(pin, "utf8");
    await remote.turn((ask) =>
      ask({ call: "C_Login", write: (to) => to.ulong(session).ulong(CKU_USER).bytes(secret), read: nothing }),
    );
  } catch (cause) {
    if (!(cause instanceof TokenRefusal && cause.value === CKR.userAlreadyLoggedIn)) throw cause;
  }
}

/** The key of this label, with its public half; undefined when there is none. Two of one label are refused: which is meant? */
async function find(session: Session, label: string): Promise<FoundKey | undefined> {
  const [handle, ...more] = await handlesOf(session, { label, objects: CKO.privateKey });
  if (handle === undefined) return undefined;
  if (more.length > 0)
    throw pkiProblems.key_store_refused(`The token has ${more.length + 1} keys with the label "${label}".`, {
      fix: "Give each key a label of its own.",
    });
  const [publicHandle] = await handlesOf(session, { label, objects: CKO.publicKey });
  if (publicHandle === undefined)
    throw pkiProblems.key_store_refused(`The token has the private key "${label}", but not its public half.`, {
      fix: "Write the public key into the token, with the same label.",
    });
  const wanted = [CKA.keyType, CKA.ecParams, CKA.ecPoint].map((type) => ({ type, size: 512 }));
  const [type, parameters, point] = await session.remote.turn((ask) =>
    ask({
      call: "C_GetAttributeValue",
      write: (to) => to.ulong(session.handle).ulong(publicHandle).roomForAttributes(wanted),
      read: (from) => from.attributes().map(({ value }) => value),
    }),
  );
  if (type !== CKK.ec || !(parameters instanceof Buffer) || !(point instanceof Buffer))
    throw pkiProblems.algorithm_refused(`The key "${label}" in the token is no ECDSA key.`, {
      fix: "Make a key on P-256 or P-384.",
    });
  return { session, handle, label, publicKey: spkiOf(parameters, point) };
}

async function handlesOf(session: Session, { label, objects }: { label: string; objects: bigint }): Promise<bigint[]> {
  const like = [
    { type: CKA.class, value: objects },
    { type: CKA.label, value: Buffer.from(label, "utf8") },
  ];
  const within = (to: RpcWriter) => to.ulong(session.handle);
  return session.remote.turn(async (ask) => {
    await ask({ call: "C_FindObjectsInit", write: (to) => within(to).attributes(like), read: nothing });
    try {
      return await ask({ call: "C_FindObjects", write: (to) => within(to).room(16), read: (from) => from.ulongs() });
    } finally {
      await ask({ call: "C_FindObjectsFinal", write: within, read: nothing });
    }
  });
}

async function generate({ remote, handle }: Session, name: string): Promise<void> {
  const label = { type: CKA.label, value: Buffer.from(name, "utf8") };
  const id = { type: CKA.id, value: randomBytes(16) };
  const publicTemplate = [
    label,
    id,
    { type: CKA.token, value: true },
    { type: CKA.verify, value: true },
    { type: CKA.ecParams, value: oid(oids.p256) },
  ];
  const privateTemplate = [
    label,
    id,
    { type: CKA.token, value: true },
    { type: CKA.private, value: true },
    { type: CKA.sign, value: true },
    { type: CKA.sensitive, value: true },
    { type: CKA.extractable, value: false },
  ];
  await remote.turn((ask) =>
    ask({
      call: "C_GenerateKeyPair",
      write: (to) => to.ulong(handle).mechanism(CKM.ecKeyPairGen).attributes(publicTemplate).attributes(privateTemplate),
      read: (from) => from.ulong(),
    }),
  );
}

/** Both halves; a name that is not there is no fault, so that removing may be done again. */
async function destroy(session: Session, label: string): Promise<void> {
  for (const objects of [CKO.privateKey, CKO.publicKey])
    for (const object of await handlesOf(session, { label, objects }))
      await session.remote.turn((ask) =>
        ask({ call: "C_DestroyObject", write: (to) => to.ulong(session.handle).ulong(object), read: nothing }),
      );
}

function signWith({ remote, handle: session }: Session, key: bigint, digest: Uint8Array): Promise<Buffer> {
  return remote.turn(async (ask) => {
    await ask({ call: "C_SignInit", write: (to) => to.ulong(session).mechanism(CKM.ecdsa).ulong(key), read: nothing });
    const signature = await ask({
      call: "C_Sign",
      write: (to) => to.ulong(session).bytes(digest).room(256),
      read: (from) => from.bytes(),
    });
    return signature ?? Buffer.alloc(0);
  });
}

/** [PKCS#11 2.3.3] CKA_EC_POINT is a DER OCTET STRING around the point; some tokens leave the wrapping out. */
function spkiOf(parameters: Buffer, point: Buffer): PublicKey {
  const bare = point[0] === tags.octetString ? expectTag(readDer(point), tags.octetString, "the key's point").body : point;
  return readPublicKey(readDer(sequence(sequence(oid(oids.ecPublicKey), parameters), bitString(bare))));
}

/** [RFC 3279 2.2.3] Tokens answer r and s side by side; certificates hold them as a SEQUENCE. */
export function derOfPair(pair: Buffer): Buffer {
  const half = pair.length / 2;
  if (half < 1 || !Number.isInteger(half)) throw pkiProblems.key_store_refused(`The token's signature has ${pair.length} bytes.`);
  return sequence(integer(pair.subarray(0, half)), integer(pair.subarray(half)));
}

/** Refusals that say nothing against the session. */
const isAboutTheCall = ({ value }: TokenRefusal): boolean => [0x13n, 0x31n, 0x70n, 0xd0n, 0xd1n].includes(value);

function refused({ token }: TokenWish, cause: TokenRefusal): Problem {
  const { name, fix } = faultOf(cause.value);
  return pkiProblems.key_store_refused(`The token ${token} refused: ${name}.`, { cause, fix });
}

const keyIsGone = ({ token }: TokenWish, name: string): Problem =>
  pkiProblems.key_missing(`The token ${token} has no key "${name}".`, {
    fix: "See what it has with `pkcs11-tool --list-objects`; without the PIN private keys are not shown.",
  });
