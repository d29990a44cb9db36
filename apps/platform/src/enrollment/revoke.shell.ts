import type { Scope } from "@tenfold/base";
import type { Actor } from "@tenfold/contracts";
import type { Transaction } from "../kernel/index.ts";
import { listBySerialNumbers, revokeAllOf, revokeThese, type StoredCertificate } from "./certificate-store.shell.ts";
import type { EnrollmentDeps } from "./deps.ts";
import { enrollmentProblems } from "./errors.ts";
import { gather } from "./gather.ts";

/** A certificate that was revoked just now: whoever holds a connection that uses it closes it. */
type RevokedFact = {
  readonly scope: Scope;
  readonly device: string;
  readonly fingerprint: string;
  readonly serialNumber: string;
};

export type Revocations = {
  /** Revokes one certificate by its serial number. Revoking it twice changes nothing. Throws `certificate_unknown`. */
  revoke(scope: Scope, wish: { serialNumber: string; because: string; actor: Actor }): Promise<StoredCertificate>;
  /** Revokes many in one transaction. Throws `certificate_unknown` that names the first one that does not exist; then none is revoked. */
  revokeMany(
    scope: Scope,
    wish: { serialNumbers: readonly string[]; because: string; actor: Actor },
  ): Promise<{ revoked: number; already: number }>;
  /** The same as `revokeDevice` inside the caller's transaction. Answers what tells the world; call it after the commit. */
  revokeDeviceIn(tx: Transaction, scope: Scope, wish: { device: string; because: string; actor: Actor }): Promise<() => void>;
  /** Revokes all certificates of a device, as retiring it does. */
  revokeDevice(scope: Scope, wish: { device: string; because: string; actor: Actor }): Promise<number>;
  /** Called once for each certificate, after the revocation is stored. Returns the function that ends it. */
  onRevoked(listener: (fact: RevokedFact) => void): () => void;
};

type RevokeDeps = Pick<EnrollmentDeps, "db" | "auditAll" | "bus" | "clock" | "log">;
type Wish = { readonly serialNumber: string; readonly because: string; readonly actor: Actor };

type Batch = { readonly now: readonly StoredCertificate[]; readonly all: readonly StoredCertificate[] };

const unknown = (serialNumber: string) =>
  enrollmentProblems.certificate_unknown(`There is no certificate with serial number ${serialNumber}.`, {
    fix: "List them: `tenfold api GET /api/v1/certificates`.",
  });

export function createRevocations({ db, auditAll, bus, clock, log }: RevokeDeps): Revocations {
  const listeners = new Set<(fact: RevokedFact) => void>();
  const announce = (scope: Scope, { device, fingerprint, serialNumber }: StoredCertificate) => {
    for (const listener of listeners) listener({ scope, device, fingerprint, serialNumber });
    bus.publish({ type: "certificate.revoked", subject: device, data: { device, fingerprint } });
    log.info("certificate.revoked", { device, fingerprint });
  };
  const record = (tx: Transaction, scope: Scope, changes: readonly { one: StoredCertificate; actor: Actor }[]) =>
    auditAll(
      tx,
      scope,
      changes.map(({ one, actor }) => ({
        actor,
        action: "certificate.revoked",
        subject: { kind: "certificate", id: one.serialNumber },
        detail: { device: one.device, fingerprint: one.fingerprint, because: one.revokedBecause ?? null },
      })),
    );
  /** One transaction with its audit entries; only then the world hears of it. Answers what was revoked now, and how all that were named stand. */
  const revokeAll = async (scope: Scope, wishes: readonly Wish[]): Promise<Batch> => {
    const bySerialNumber = new Map(wishes.map((wish) => [wish.serialNumber, wish]));
    const batch = await db.transaction().execute(async (tx) => {
      const now = await revokeThese(tx, scope, { wishes: [...bySerialNumber.values()], at: clock.now() });
      const changes = now.flatMap((one) => {
        const wish = bySerialNumber.get(one.serialNumber);
        return wish === undefined ? [] : [{ one, actor: wish.actor }];
      });
      await record(tx, scope, changes);
      return { now, all: await listBySerialNumbers(tx, scope, [...bySerialNumber.keys()]) };
    });
    for (const one of batch.now) announce(scope, one);
    return batch;
  };
  const revokeEach = async (
    tx: Transaction,
    scope: Scope,
    { device, because, actor }: { device: string; because: string; actor: Actor },
  ): Promise<StoredCertificate[]> => {
    const all = await revokeAllOf(tx, scope, { device, because, at: clock.now() });
    await record(
      tx,
      scope,
      all.map((one) => ({ one, actor })),
    );
    return all;
  };
  const together = gather(({ fleet }: Scope) => fleet, revokeAll);
  return {
    async revoke(scope, { serialNumber: given, because, actor }) {
      const serialNumber = given.toLowerCase();
      const { all } = await together(scope, { serialNumber, because, actor });
      const revoked = all.find((one) => one.serialNumber === serialNumber);
      if (revoked === undefined) throw unknown(serialNumber);
      return revoked;
    },
    async revokeMany(scope, { serialNumbers, because, actor }) {
      const wanted = [...new Set(serialNumbers.map((one) => one.toLowerCase()))];
      const found = new Set((await listBySerialNumbers(db, scope, wanted)).map(({ serialNumber }) => serialNumber));
      const missing = wanted.find((serialNumber) => !found.has(serialNumber));
      if (missing !== undefined) throw unknown(missing);
      const { now } = await revokeAll(
        scope,
        wanted.map((serialNumber) => ({ serialNumber, because, actor })),
      );
      return { revoked: now.length, already: wanted.length - now.length };
    },
    async revokeDeviceIn(tx, scope, wish) {
      const all = await revokeEach(tx, scope, wish);
      return () => all.forEach((one) => void announce(scope, one));
    },
    async revokeDevice(scope, wish) {
      const revoked = await db.transaction().execute((tx) => revokeEach(tx, scope, wish));
      for (const one of revoked) announce(scope, one);
      return revoked.length;
    },
    onRevoked(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}
