import { canonicalJson, describeError, newId, Problem, type Scope } from "@tenfold/base";
import { type Actor, type TimelineEntry, type TransferKind, type TransferVoucher, transferVoucher } from "@tenfold/contracts";
import { fromBase64, type KeyStore, readPublicKeyPem, type Signer, signCms, spkiFingerprint, verifyCms } from "@tenfold/pki";
import type { Transaction } from "../kernel/index.ts";
import type { EnrollmentDeps } from "./deps.ts";
import { enrollmentProblems } from "./errors.ts";
import { insertEntries } from "./manifest-store.shell.ts";
import type { Revocations } from "./revoke.shell.ts";
import { listAnchors, lockSerial } from "./store.ts";
import {
  judgeArrival,
  judgeDeparture,
  judgeReplacement,
  judgeReturn,
  type TransferPicture,
  type TransferVerdict,
} from "./transfer.ts";
import { findVoucher, insertTransfer, lastKinds, listTransfers, readIdentityRecord } from "./transfer-store.shell.ts";

type Wish = { device: string; reason: string; actor: Actor };

/** Devices that change hands or boards. History stays where it was made; each move and its audit entry are one transaction. */
export type Transfers = {
  /** The device leaves: its identity ends here, and a signed voucher tells the next owner what it was. */
  transferOut(
    scope: Scope,
    wish: Wish & { to: string; lifetimeS: number },
  ): Promise<{ id: string; device: string; voucher: string }>;
  /** The device comes: it is expected, and enrolls with its manufacturer's certificate. `publicKeyPem` is the key of whom it comes from. */
  transferIn(
    scope: Scope,
    wish: { voucher: string; publicKeyPem: string; reason: string; actor: Actor },
  ): Promise<{
    id: string;
    device: string;
    from: string;
    manufacturer: "trusted" | "unknown" | "unnamed";
    document: TransferVoucher;
  }>;
  /** The same board comes back from repair and must enroll anew. */
  returnDevice(scope: Scope, wish: Wish): Promise<{ id: string; device: string }>;
  /** Another board takes the device's place: its model, tags and groups. The old one is retired. */
  replaceDevice(scope: Scope, wish: Wish & { by: string }): Promise<{ id: string; device: string; by: string }>;
  /** The voucher of a transfer again, DER in base64. Throws `transfer_unknown`. */
  voucher(scope: Scope, id: string): Promise<string>;
  /** The key that signs vouchers; the receiver believes it. */
  transferKey(): Promise<{ publicKeyPem: string; fingerprint: string }>;
};

export type TransferDeps = Pick<EnrollmentDeps, "db" | "registry" | "audit" | "clock"> & {
  revocations: Pick<Revocations, "revokeDeviceIn">;
  keys: KeyStore;
  /** By what name others know this installation. */
  ourName: () => string;
};

const keyName = "transfer";

export function createTransfers(deps: TransferDeps): Transfers {
  const { db, clock } = deps;
  // Made at the first need; two servers that make it at once would share the folder and find the first one's.
  const signer = async (): Promise<Signer> => (await deps.keys.open(keyName)) ?? (await deps.keys.create(keyName));
  return {
    async transferOut(scope, { device, reason, actor, to, lifetimeS }) {
      const key = await signer();
      return within(deps, async (tx) => {
        await allow(deps, tx, scope, { device, judge: judgeDeparture });
        const at = clock.now();
        const id = newId("trf", at);
        const document = await voucherOf(deps, tx, scope, { id, device, to, reason, at, until: at + lifetimeS * 1_000 });
        const bytes = await signCms({ content: Buffer.from(canonicalJson(document)), signer: key, signedAt: at, form: "attached" });
        const effects = [
          await deps.revocations.revokeDeviceIn(tx, scope, { device, because: `The device was transferred to ${to}.`, actor }),
          await deps.registry.changeLifecycle(tx, scope, device, {
            to: "retired",
            reason: `transferred to ${to}: ${reason}`,
            actor,
          }),
        ];
        await record(deps, tx, scope, { id, device, kind: "out", at, actor, reason, other: to, voucher: { id, bytes } });
        return { effects, result: { id, device, voucher: bytes.toString("base64") } };
      });
    },

    async transferIn(scope, { voucher, publicKeyPem, reason, actor }) {
      const now = clock.now();
      const { document, bytes } = readVoucher({ voucher, publicKeyPem, now });
      const { serial: device, from } = document;
      const trusted = (await listAnchors(db, scope)).map(({ fingerprint }) => fingerprint);
      return within(deps, async (tx) => {
        const picture = await allow(deps, tx, scope, { device, judge: judgeArrival });
        const id = newId("trf", now);
        const fresh = await record(deps, tx, scope, {
          id,
          device,
          kind: "in",
          at: now,
          actor,
          reason,
          other: from,
          voucher: { id: document.id, bytes },
        });
        if (!fresh) throw enrollmentProblems.voucher_spent(`The voucher ${document.id} was taken in before.`);
        const effects = await expectAgain(deps, tx, scope, {
          document,
          picture,
          at: now,
          actor,
          reason: `came from ${from}: ${reason}`,
        });
        const known = document.manufacturer && trusted.includes(document.manufacturer.fingerprint);
        const manufacturer = known === undefined ? "unnamed" : known ? "trusted" : "unknown";
        return { effects, result: { id, device, from, manufacturer, document } };
      });
    },

    returnDevice: (scope, { device, reason, actor }) =>
      within(deps, async (tx) => {
        await allow(deps, tx, scope, { device, judge: judgeReturn });
        const at = clock.now();
        const id = newId("trf", at);
        const effects = [
          await deps.revocations.revokeDeviceIn(tx, scope, { device, because: "The board came back from repair.", actor }),
          await deps.registry.changeLifecycle(tx, scope, device, { to: "expected", reason: `returned: ${reason}`, actor }),
        ];
        await record(deps, tx, scope, { id, device, kind: "return", at, actor, reason });
        return { effects, result: { id, device } };
      }),

    replaceDevice: (scope, { device, by, reason, actor }) =>
      within(deps, async (tx) => {
        for (const serial of [device, by].sort()) await lockSerial(tx, scope, serial);
        const [old, board] = [await pictureOf(deps, tx, scope, device), await pictureOf(deps, tx, scope, by)];
        demand(judgeReplacement({ old, board }));
        const at = clock.now();
        const id = newId("trf", at);
        if (board.lifecycle === undefined) await announceBoard(deps, tx, scope, { by, id, at });
        await deps.registry.succeed(tx, scope, { from: device, to: by });
        const effects = [
          await deps.revocations.revokeDeviceIn(tx, scope, { device, because: `The board was replaced by ${by}.`, actor }),
          ...(old.lifecycle === "retired"
            ? []
            : [
                await deps.registry.changeLifecycle(tx, scope, device, {
                  to: "retired",
                  reason: `replaced by ${by}: ${reason}`,
                  actor,
                }),
              ]),
        ];
        await record(deps, tx, scope, { id, device, kind: "replaced", at, actor, reason, other: by });
        await record(deps, tx, scope, { id: newId("trf", at), device: by, kind: "replaces", at, actor, reason, other: device });
        return { effects, result: { id, device, by } };
      }),

    async voucher(scope, id) {
      const found = await findVoucher(db, scope, id);
      if (found === undefined)
        throw enrollmentProblems.transfer_unknown(`There is no transfer ${id} with a voucher.`, {
          fix: "List them: `tenfold device transfers`.",
        });
      return found.toString("base64");
    },

    async transferKey() {
      const { publicKey } = await signer();
      const publicKeyPem = publicKey.key().export({ format: "pem", type: "spki" }).toString();
      return { publicKeyPem, fingerprint: spkiFingerprint(publicKey.der) };
    },
  };
}

type Effect = () => void;

/** One transaction; what the world must hear of it is told only then. */
async function within<Result>(
  { db }: Pick<TransferDeps, "db">,
  work: (tx: Transaction) => Promise<{ effects: readonly Effect[]; result: Result }>,
): Promise<Result> {
  const { effects, result } = await db.transaction().execute(work);
  for (const tell of effects) tell();
  return result;
}

async function allow(
  deps: TransferDeps,
  tx: Transaction,
  scope: Scope,
  { device, judge }: { device: string; judge: (picture: TransferPicture) => TransferVerdict },
): Promise<TransferPicture> {
  await lockSerial(tx, scope, device);
  const picture = await pictureOf(deps, tx, scope, device);
  demand(judge(picture));
  return picture;
}

async function pictureOf({ registry }: TransferDeps, tx: Transaction, scope: Scope, device: string): Promise<TransferPicture> {
  const last = (await lastKinds(tx, scope, [device])).get(device);
  return { device, lifecycle: await registry.lifecycleOf(tx, scope, device), last };
}

function demand(verdict: TransferVerdict): void {
  if (verdict.is === "refused") throw enrollmentProblems.transfer_not_allowed(verdict.reason, { fix: verdict.fix });
}

type Recorded = {
  id: string;
  device: string;
  kind: TransferKind;
  at: number;
  actor: Actor;
  reason: string;
  other?: string;
  voucher?: { id: string; bytes: Buffer };
};

const actions: Record<TransferKind, string> = {
  out: "device.transferred_out",
  in: "device.transferred_in",
  return: "device.returned",
  replaced: "device.replaced",
  replaces: "device.took_over",
};

async function record({ audit }: TransferDeps, tx: Transaction, scope: Scope, { actor, ...one }: Recorded): Promise<boolean> {
  const fresh = await insertTransfer(tx, scope, { ...one, actor: actor.name });
  const detail = { transfer: one.id, reason: one.reason, other: one.other ?? null, voucher: one.voucher?.id ?? null };
  await audit(tx, scope, { actor, action: actions[one.kind], subject: { kind: "device", id: one.device }, detail });
  return fresh;
}

type Writing = { id: string; device: string; to: string; reason: string; at: number; until: number };

async function voucherOf(
  { registry, ourName }: TransferDeps,
  tx: Transaction,
  scope: Scope,
  { id, device, to, reason, at, until }: Writing,
): Promise<TransferVoucher> {
  const traits = await registry.traitsOf(tx, scope, device);
  return transferVoucher.parse({
    type: "tenfold.transfer.v1",
    id,
    serial: device,
    ...traits,
    from: ourName(),
    to,
    reason,
    createdAt: new Date(at).toISOString(),
    expiresAt: new Date(until).toISOString(),
    ...(await readIdentityRecord(tx, scope, device)),
  });
}

/** What a voucher says, if the key that was named has signed it and its time has not passed. Throws `voucher_invalid`. */
function readVoucher({ voucher, publicKeyPem, now }: { voucher: string; publicKeyPem: string; now: number }): {
  document: TransferVoucher;
  bytes: Buffer;
} {
  const no = (why: string, cause?: unknown) =>
    enrollmentProblems.voucher_invalid(`The voucher is not believed: ${why}`, {
      field: "voucher",
      fix: "Ask whom the device comes from for the voucher and for the key of `tenfold identity transfer-key`.",
      cause,
    });
  try {
    const key = readPublicKeyPem(publicKeyPem);
    const bytes = fromBase64(voucher);
    const verdict = verifyCms({ message: bytes, keys: [key] });
    if (verdict.is === "unproven") throw no(`it is not signed by the key ${spkiFingerprint(key.der)}.`);
    const document = transferVoucher.parse(JSON.parse(verdict.content.toString("utf8")));
    if (now > Date.parse(document.expiresAt)) throw no(`it ended on ${document.expiresAt}.`);
    return { document, bytes };
  } catch (error) {
    if (error instanceof Problem && error.code === "voucher_invalid") throw error;
    throw no(describeError(error), error);
  }
}

type Arriving = { document: TransferVoucher; picture: TransferPicture; at: number; actor: Actor; reason: string };

/** On the word of the person who takes it in: a manufacturer that must sign still has to. */
async function expectAgain(
  { registry }: TransferDeps,
  tx: Transaction,
  scope: Scope,
  { document, picture, at, actor, reason }: Arriving,
): Promise<Effect[]> {
  const { serial, model, tags } = document;
  const entry = { serial, tags, ...(model === undefined ? {} : { model }) };
  await insertEntries(tx, scope, { entries: [entry], manifest: document.id, signedBy: undefined, at });
  if (picture.lifecycle === "retired")
    return [await registry.changeLifecycle(tx, scope, serial, { to: "expected", reason, actor })];
  await registry.register(tx, scope, { id: serial, lifecycle: "expected", tags, ...(model === undefined ? {} : { model }) });
  return [];
}

async function announceBoard(
  { registry }: TransferDeps,
  tx: Transaction,
  scope: Scope,
  { by, id, at }: { by: string; id: string; at: number },
): Promise<void> {
  await insertEntries(tx, scope, { entries: [{ serial: by }], manifest: id, signedBy: undefined, at });
  await registry.register(tx, scope, { id: by, lifecycle: "expected" });
}

const sentences: Record<TransferKind, (other: string) => string> = {
  out: (other) => `Transferred to ${other}.`,
  in: (other) => `Came from ${other}.`,
  return: () => "Came back from repair.",
  replaced: (other) => `Replaced by ${other}.`,
  replaces: (other) => `Took the place of ${other}, whose history stands there.`,
};

/** A device's moves for its timeline, newest first. */
export async function transferTimeline(
  { db }: Pick<TransferDeps, "db">,
  scope: Scope,
  page: { device: string; limit: number },
): Promise<TimelineEntry[]> {
  return (await listTransfers(db, scope, page)).map(({ at, kind, other, reason, actor }) => ({
    at,
    kind: `identity.transfer_${kind}`,
    severity: "info",
    text: `${sentences[kind](other ?? "elsewhere")} ${reason}`,
    detail: { actor, ...(other === undefined ? {} : { other }) },
  }));
}
