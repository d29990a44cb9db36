import { readDer } from "../der-read.ts";
import { octetString, oid } from "../der-write.ts";
import type { PublicKey } from "../keys.ts";
import { oids } from "../oids.ts";
import { CKA, CKF, CKK, CKM, CKO, CKR } from "./names.ts";
import { type Attribute, type RpcCall, RpcReader, RpcWriter, readMessage, writeMessage } from "./rpc.ts";

/** A key as OpenSSL is shown it. `signDigest` answers r and s side by side. */
export type ShownKey = {
  readonly label: string;
  readonly publicKey: PublicKey;
  signDigest(digest: Uint8Array): Promise<Buffer>;
};

/** The token's name in the URIs that OpenSSL is given. */
export const bridgeToken = "tenfold";
const slot = 1n;
const library = "Tenfold key bridge";

/** The token said no to this call. */
class Refused extends Error {
  readonly value: bigint;

  constructor(value: bigint) {
    super(`CKR 0x${value.toString(16)}`);
    this.value = value;
  }
}

type Session = { found: bigint[]; signing: ShownKey | undefined };

/**
 * A PKCS#11 token with these keys, for one connection: answers p11-kit's calls, one after the other. It signs with ECDSA and does nothing else. Whoever
 * can open the socket can sign, so there is no PIN: the folder of the socket is its owner's alone.
 */
export function serveToken(keys: () => readonly ShownKey[], version: number): (message: Buffer) => Promise<Buffer> {
  const sessions = new Map<bigint, Session>();
  let last = 0n;
  return async (message) => {
    const answer = new RpcWriter(version);
    try {
      const { call, values } = readMessage(message, "request");
      const from = new RpcReader(values, version);
      if (call === "C_OpenSession") {
        last += 1n;
        sessions.set(last, { found: [], signing: undefined });
        answer.ulong(last);
      } else await answerCall(call, { from, answer, sessions, keys: keys() });
      return writeMessage(call, "response", answer.done());
    } catch (error) {
      const value = error instanceof Refused ? error.value : CKR.functionNotSupported;
      return writeMessage("error", "response", new RpcWriter(version).ulong(value).done());
    }
  };
}

type Asked = {
  readonly from: RpcReader;
  readonly answer: RpcWriter;
  readonly sessions: Map<bigint, Session>;
  readonly keys: readonly ShownKey[];
};

async function answerCall(call: RpcCall, asked: Asked): Promise<void> {
  switch (call) {
    case "C_Initialize":
    case "C_Finalize":
    case "C_Login":
    case "C_Logout":
      return;
    case "C_CloseSession":
      asked.sessions.delete(asked.from.ulong());
      return;
    case "C_CloseAllSessions":
      asked.sessions.clear();
      return;
    case "C_FindObjectsInit":
      return beginSearch(asked);
    case "C_FindObjects":
      return void asked.answer.ulongs(sessionOf(asked).found.splice(0, asked.from.u32()));
    case "C_FindObjectsFinal":
      sessionOf(asked).found = [];
      return;
    case "C_GetAttributeValue":
      return showAttributes(asked);
    case "C_SignInit":
      return beginSignature(asked);
    case "C_Sign":
      return sign(asked);
    default:
      return describeToken(call, asked);
  }
}

function describeToken(call: RpcCall, { from, answer }: Asked): void {
  switch (call) {
    case "C_GetInfo":
      return void answer.version(2, 40).text("Tenfold", 32).ulong(0).text(library, 32).version(1, 0);
    case "C_GetSlotList": {
      from.byte();
      return void (from.u32() === 0 ? answer.sizeOfBytes(1) : answer.ulongs([slot]));
    }
    case "C_GetSlotInfo":
      return void answer.text(library, 64).text("Tenfold", 32).ulong(1).version(1, 0).version(1, 0);
    case "C_GetTokenInfo": {
      answer.text(bridgeToken, 32).text("Tenfold", 32).text("bridge", 16).text("1", 16).ulong(CKF.tokenInitialized);
      // Sessions, lengths of PINs, memory: nothing that anybody asks for.
      for (let i = 0; i < 10; i++) answer.ulong(0);
      return void answer.version(1, 0).version(1, 0).text("", 16);
    }
    case "C_GetMechanismList": {
      from.ulong();
      return void (from.u32() === 0 ? answer.sizeOfBytes(1) : answer.ulongs([BigInt(CKM.ecdsa)]));
    }
    case "C_GetMechanismInfo":
      // Sizes of keys; CKF_SIGN.
      return void answer.ulong(256).ulong(384).ulong(0x800);
    case "C_GetSessionInfo":
      return void answer.ulong(slot).ulong(0).ulong(CKF.serialSession).ulong(0);
    default:
      throw new Refused(CKR.functionNotSupported);
  }
}

function sessionOf({ from, sessions }: Asked): Session {
  const session = sessions.get(from.ulong());
  if (session === undefined) throw new Refused(CKR.sessionHandleInvalid);
  return session;
}

/** Objects are numbered by their keys: the private half is odd, the public one even. */
const objectsOf = (keys: readonly ShownKey[]) =>
  keys.flatMap((key, at) => [
    { handle: BigInt(2 * at + 1), key, attributes: attributesOf(key, "private") },
    { handle: BigInt(2 * at + 2), key, attributes: attributesOf(key, "public") },
  ]);

function attributesOf({ label, publicKey }: ShownKey, half: "private" | "public"): Map<number, Attribute["value"]> {
  const point = readDer(publicKey.der).children[1]?.body.subarray(1) ?? Buffer.alloc(0);
  const isPrivate = half === "private";
  return new Map<number, Attribute["value"]>([
    [CKA.class, isPrivate ? CKO.privateKey : CKO.publicKey],
    [CKA.token, true],
    // OpenSSL's engine looks for private objects only after a PIN, and there is none.
    [CKA.private, false],
    [CKA.label, Buffer.from(label)],
    [CKA.id, Buffer.from(label)],
    [CKA.keyType, CKK.ec],
    [CKA.sign, isPrivate],
    [CKA.verify, !isPrivate],
    [CKA.sensitive, isPrivate],
    [CKA.extractable, false],
    [CKA.alwaysAuthenticate, false],
    [CKA.ecParams, oid(publicKey.kind === "p384" ? oids.p384 : oids.p256)],
    [CKA.ecPoint, octetString(point)],
  ]);
}

function beginSearch(asked: Asked): void {
  const session = sessionOf(asked);
  const like = asked.from.attributes();
  const same = (a: Attribute["value"], b: Attribute["value"]) =>
    a instanceof Buffer && b instanceof Buffer ? a.equals(b) : a === b;
  session.found = objectsOf(asked.keys)
    .filter(({ attributes }) => like.every(({ type, value }) => same(attributes.get(type), value)))
    .map(({ handle }) => handle);
}

function showAttributes(asked: Asked): void {
  sessionOf(asked);
  const handle = asked.from.ulong();
  const object = objectsOf(asked.keys).find((one) => one.handle === handle);
  if (object === undefined) throw new Refused(CKR.objectHandleInvalid);
  const shown = asked.from.roomForAttributes().map(({ type }) => ({ type, value: object.attributes.get(type) }));
  const missing = shown.some(({ value }) => value === undefined);
  asked.answer.attributes(shown).ulong(missing ? CKR.attributeTypeInvalid : CKR.ok);
}

function beginSignature(asked: Asked): void {
  const session = sessionOf(asked);
  const mechanism = asked.from.mechanism();
  const handle = asked.from.ulong();
  if (mechanism !== CKM.ecdsa) throw new Refused(CKR.mechanismInvalid);
  const object = objectsOf(asked.keys).find((one) => one.handle === handle && one.attributes.get(CKA.class) === CKO.privateKey);
  if (object === undefined) throw new Refused(CKR.keyHandleInvalid);
  session.signing = object.key;
}

async function sign(asked: Asked): Promise<void> {
  const session = sessionOf(asked);
  const digest = asked.from.bytes();
  const room = asked.from.u32();
  const key = session.signing;
  if (key === undefined || digest === undefined) throw new Refused(CKR.operationNotInitialized);
  const size = key.publicKey.kind === "p384" ? 96 : 64;
  if (room < size) return void asked.answer.sizeOfBytes(size);
  session.signing = undefined;
  try {
    asked.answer.bytes(await key.signDigest(digest));
  } catch {
    throw new Refused(CKR.deviceError);
  }
}
