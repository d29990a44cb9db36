import { days, seconds } from "@tenfold/base";
import { type Authority, issueCrl, issuerOf } from "@tenfold/pki";
import type { Clock, Database } from "../kernel/index.ts";
import { issuerId } from "./authorities.shell.ts";
import { listRevoked } from "./certificate-store.shell.ts";

export type Crl = {
  /** The list of `ISSUER.crl`, DER; undefined for another name. */ read(file: string): Promise<Buffer | undefined>;
};

// Anybody may ask; so the list is signed at most this often.
const kept = seconds(30);

type CrlDeps = { db: Database; clock: Clock; issuers: () => readonly Authority[] };

/** [RFC 5280 5] The revocation lists of our issuing CAs, for brokers and proxies of others. Our own endpoints ask the database. */
export function createCrl({ db, clock, issuers }: CrlDeps): Crl {
  const lists = new Map<string, { at: number; der: Promise<Buffer> }>();
  const make = async (authority: Authority, now: number): Promise<Buffer> => {
    const revoked = await listRevoked(db, { issuer: issuerId(authority), now });
    return issueCrl({
      issuer: issuerOf(authority),
      number: Math.floor(now / 1_000),
      thisUpdate: now,
      nextUpdate: now + days(1),
      revoked: revoked.map(({ serialNumber, revokedAt = now }) => ({ serialNumber, at: revokedAt, reason: "unspecified" })),
    });
  };
  return {
    async read(file) {
      const authority = issuers().find((one) => file === `${issuerId(one)}.crl`);
      if (authority === undefined) return undefined;
      const now = clock.now();
      const last = lists.get(file);
      if (last !== undefined && now >= last.at && now <= last.at + kept) return last.der;
      const der = make(authority, now);
      lists.set(file, { at: now, der });
      // A list that could not be made is not kept.
      der.catch(() => lists.delete(file));
      return der;
    },
  };
}
