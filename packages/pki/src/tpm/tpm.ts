import { randomBytes } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { pkiProblems } from "../errors.ts";
import { shownAddress, type TpmAddress } from "./address.ts";
import { alg, commandCode, handle, hashes, structureTag } from "./names.ts";
import { openTransport, type TpmTransport } from "./transport.ts";
import { sized, TpmReader, u8, u16, u32 } from "./wire.ts";

/** A key in the TPM for as long as a conversation lasts: its handle, and its TPMT_PUBLIC. */
export type Loaded = { readonly handle: number; readonly area: Buffer };
/** What a TPM wraps for itself: both are needed to load the key again. TPM2B contents, without their sizes. */
export type Wrapped = { readonly area: Buffer; readonly secret: Buffer };
export type Signed = { readonly attest: Buffer; readonly signature: Buffer };

export type PcrSelection = { readonly hash: number; readonly pcrs: readonly number[] };

/** The TPM refused a command. `code` is its response code (TPM_RC). */
export class TpmRefusal extends Error {
  override readonly name = "TpmRefusal";
  readonly code: number;

  constructor(command: string, code: number) {
    super(`TPM2_${command}: 0x${code.toString(16)}`);
    this.code = code;
  }
}

const empty = Buffer.alloc(0);
/** [TPM 2.0 part 1, 19.4] The password session with an empty password. */
const password = Buffer.concat([u32(handle.password), sized(empty), u8(0), sized(empty)]);
const authorizations = (...each: readonly Buffer[]): Buffer => {
  const all = Buffer.concat(each);
  return Buffer.concat([u32(all.length), all]);
};

/** The commands that we use, as functions. Answers are read strictly; what the TPM refuses is a `TpmRefusal`. */
export class Tpm {
  readonly #transport: TpmTransport;
  readonly #transient = new Set<number>();

  constructor(transport: TpmTransport) {
    this.#transport = transport;
  }

  /** A key that the hierarchy's seed and the template make: the same each time. */
  async createPrimary(hierarchy: number, template: Buffer): Promise<Loaded> {
    // inSensitive: empty password, no data; no outside info, no PCRs.
    const wish = [sized(sized(empty), sized(empty)), sized(template), sized(empty), u32(0)];
    const answer = await this.#run("createPrimary", {
      handles: [hierarchy],
      auth: [password],
      parameters: wish,
      answers: "handle",
    });
    const area = answer.body.sized(1_024);
    return this.#hold(answer.handle, area);
  }

  async create(parent: Loaded, template: Buffer): Promise<Wrapped> {
    const wish = [sized(sized(empty), sized(empty)), sized(template), sized(empty), u32(0)];
    const { body } = await this.#run("create", { handles: [parent.handle], auth: [password], parameters: wish });
    const secret = body.sized(1_024);
    return { secret, area: body.sized(1_024) };
  }

  async load(parent: Loaded, { area, secret }: Wrapped): Promise<Loaded> {
    const parameters = [sized(secret), sized(area)];
    const answer = await this.#run("load", { handles: [parent.handle], auth: [password], parameters, answers: "handle" });
    return this.#hold(answer.handle, area);
  }

  /** A key that stays in the TPM; undefined when there is none under this handle. */
  async readPersistent(persistent: number): Promise<Loaded | undefined> {
    try {
      const { body } = await this.#run("readPublic", { handles: [persistent] });
      return { handle: persistent, area: body.sized(1_024) };
    } catch (cause) {
      if (cause instanceof TpmRefusal) return undefined;
      throw cause;
    }
  }

  async makePersistent(key: Loaded, persistent: number): Promise<void> {
    await this.#run("evictControl", { handles: [handle.owner, key.handle], auth: [password], parameters: [u32(persistent)] });
  }

  /** TPMT_SIGNATURE over a SHA-256 digest by an unrestricted ECDSA key. */
  async signDigest(key: Loaded, digest: Uint8Array): Promise<Buffer> {
    // No ticket is needed for a digest that the TPM did not make, because the key is not restricted.
    const ticket = [u16(0x8024), u32(handle.null), sized(empty)];
    const parameters = [sized(digest), u16(alg.ecdsa), u16(alg.sha256), ...ticket];
    const { body } = await this.#run("sign", { handles: [key.handle], auth: [password], parameters });
    return body.rest();
  }

  /** What `ak` says about `key`: its name, and so every attribute of it. */
  async certify(key: Loaded, { ak, nonce }: { ak: Loaded; nonce: Uint8Array }): Promise<Signed> {
    const parameters = [sized(nonce), u16(alg.null)];
    const { body } = await this.#run("certify", { handles: [key.handle, ak.handle], auth: [password, password], parameters });
    return { attest: body.sized(1_024), signature: body.rest() };
  }

  async quote(ak: Loaded, { nonce, selection }: { nonce: Uint8Array; selection: PcrSelection }): Promise<Signed> {
    const parameters = [sized(nonce), u16(alg.null), writeSelection(selection)];
    const { body } = await this.#run("quote", { handles: [ak.handle], auth: [password], parameters });
    return { attest: body.sized(1_024), signature: body.rest() };
  }

  /** Opens a credential that was sealed for `ek` and the name of `ak`. `ekAuthorization` is what the endorsement key's template demands. */
  async activateCredential(
    { ak, ek, ekAuthorization }: { ak: Loaded; ek: Loaded; ekAuthorization: "password" | "policy" },
    { credentialBlob, encryptedSecret }: { credentialBlob: Buffer; encryptedSecret: Buffer },
  ): Promise<Buffer> {
    const forEk = ekAuthorization === "password" ? password : await this.#endorsementPolicy();
    const { body } = await this.#run("activateCredential", {
      handles: [ak.handle, ek.handle],
      auth: [password, forEk],
      parameters: [credentialBlob, encryptedSecret],
    });
    return body.sized(64);
  }

  /** [TCG EK Credential Profile 2.1.5.1] PolicySecret of the endorsement hierarchy, in a session that ends with the command that it authorizes. */
  async #endorsementPolicy(): Promise<Buffer> {
    const none = [handle.null, handle.null];
    const opening = [sized(randomBytes(32)), sized(empty), u8(1), u16(alg.null), u16(alg.sha256)];
    const session = (await this.#run("startAuthSession", { handles: none, parameters: opening, answers: "handle" })).handle;
    const policy = [sized(empty), sized(empty), sized(empty), u32(0)];
    await this.#run("policySecret", { handles: [handle.endorsement, session], auth: [password], parameters: policy });
    return Buffer.concat([u32(session), sized(empty), u8(0), sized(empty)]);
  }

  /** What lies in a space of the TPM's own memory; undefined when there is none under this index. */
  async readNv(index: number): Promise<Buffer | undefined> {
    let size: number;
    try {
      const { body } = await this.#run("nvReadPublic", { handles: [index] });
      const area = new TpmReader(body.sized(512));
      area.take(10);
      area.sized(64);
      size = area.u16();
    } catch (cause) {
      if (cause instanceof TpmRefusal) return undefined;
      throw cause;
    }
    const parts: Buffer[] = [];
    // A TPM gives at most so much at once.
    for (let offset = 0, most = 512; offset < size; offset += most) {
      const parameters = [u16(Math.min(most, size - offset)), u16(offset)];
      const { body } = await this.#run("nvRead", { handles: [index, index], auth: [password], parameters });
      parts.push(body.sized(most));
    }
    return Buffer.concat(parts);
  }

  /** The values of PCRs, in the order of their numbers. */
  async readPcrs({ hash, pcrs }: PcrSelection): Promise<Map<number, Buffer>> {
    const values = new Map<number, Buffer>();
    // A TPM answers at most eight at once.
    for (let from = 0; from < pcrs.length; from += 8) {
      const some = [...pcrs].sort((a, b) => a - b).slice(from, from + 8);
      const { body } = await this.#run("pcrRead", { parameters: [writeSelection({ hash, pcrs: some })] });
      body.u32();
      for (let bank = body.u32(); bank > 0; bank--) {
        body.u16();
        body.take(body.u8());
      }
      const count = body.u32();
      if (count !== some.length) throw pkiProblems.key_store_refused(`The TPM has no ${hashes[hash]?.name ?? hash} bank of PCRs.`);
      for (const pcr of some) values.set(pcr, body.sized(64));
    }
    return values;
  }

  async flush({ handle: transient }: Loaded): Promise<void> {
    if (!this.#transient.delete(transient)) return;
    await this.#run("flushContext", { parameters: [u32(transient)] });
  }

  /** Lets go of every key that is still loaded. */
  async flushAll(): Promise<void> {
    for (const transient of [...this.#transient]) await this.flush({ handle: transient, area: empty }).catch(() => {});
  }

  /** The answer behind its head. */
  async #exchange(name: string, command: Buffer): Promise<TpmReader> {
    for (let tries = 1; ; tries++) {
      const from = new TpmReader(await this.#transport.exchange(command));
      from.u16();
      from.u32();
      const code = from.u32();
      if (code === 0) return from;
      if (!again.includes(code) || tries === mostTries) throw new TpmRefusal(name, code);
      await pause(20);
    }
  }

  #hold(transient: number, area: Buffer): Loaded {
    this.#transient.add(transient);
    return { handle: transient, area };
  }

  async #run(
    name: keyof typeof commandCode,
    wish: {
      handles?: readonly number[];
      auth?: readonly Buffer[];
      parameters?: readonly Buffer[];
      answers?: "handle";
    },
  ): Promise<{ handle: number; body: TpmReader }> {
    const withSessions = wish.auth !== undefined;
    const rest = Buffer.concat([
      u32(commandCode[name]),
      ...(wish.handles ?? []).map(u32),
      ...(wish.auth === undefined ? [] : [authorizations(...wish.auth)]),
      ...(wish.parameters ?? []),
    ]);
    const tag = withSessions ? structureTag.sessions : structureTag.noSessions;
    const from = await this.#exchange(name, Buffer.concat([u16(tag), u32(rest.length + 6), rest]));
    const made = wish.answers === "handle" ? from.u32() : 0;
    // With sessions the parameters have a size in front, and the sessions' answers stand behind them.
    return { handle: made, body: withSessions ? new TpmReader(from.take(from.u32())) : from };
  }
}

/** [TPM 2.0 part 2, 6.6.3] TPM_RC_YIELDED, TESTING, RETRY: the command did not begin, and is to be sent again. */
const again = [0x908, 0x90a, 0x922];
const mostTries = 50;

export function writeSelection({ hash, pcrs }: PcrSelection): Buffer {
  const bits = Buffer.alloc(3);
  for (const pcr of pcrs) bits[pcr >> 3] = (bits[pcr >> 3] ?? 0) | (1 << (pcr & 7));
  return Buffer.concat([u32(1), u16(hash), u8(3), bits]);
}

const turns = new Map<string, Promise<unknown>>();

/** One conversation from its first command to its last: what it loaded is let go of. Conversations of one process wait for each other. */
export async function withTpm<T>(address: TpmAddress, work: (tpm: Tpm) => Promise<T>): Promise<T> {
  const key = shownAddress(address);
  const before = turns.get(key) ?? Promise.resolve();
  const mine = before.then(
    () => converse(address, work),
    () => converse(address, work),
  );
  turns.set(key, mine);
  return mine;
}

async function converse<T>(address: TpmAddress, work: (tpm: Tpm) => Promise<T>): Promise<T> {
  await using transport = await openTransport(address);
  const tpm = new Tpm(transport);
  try {
    return await work(tpm);
  } catch (cause) {
    if (!(cause instanceof TpmRefusal)) throw cause;
    throw pkiProblems.key_store_refused(`${shownAddress(address)} refused: ${cause.message}.`, { cause, fix: fixFor(cause.code) });
  } finally {
    await tpm.flushAll();
  }
}

/** [TPM 2.0 part 2, 6.6] The refusals that somebody can do something about. */
function fixFor(code: number): string {
  if (code === 0x921) return "The TPM has locked itself after wrong passwords: wait, or reset its dictionary attack lockout.";
  if (code === 0x902)
    return "The TPM has no room for another key: flush transient objects (`tpm2_flushcontext -t`), or use its resource manager /dev/tpmrm0.";
  if ((code & 0x83f) === 0x81f || code === 0x1df) return "The key belongs to another TPM, or its file was changed.";
  if (code === 0x98e || code === 0x9a2) return "The hierarchy or the key has a password, and none is used here.";
  return "Look the code up with `tpm2_rc_decode`.";
}
