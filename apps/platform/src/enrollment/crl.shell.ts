import { days, seconds } from "@tenfold/base";
import { issueCrl, issuerOf } from "@tenfold/pki";
import type { Clock, Database } from "../kernel/index.ts";
import type { OwnAuthority } from "./authority.shell.ts";
import { listRevoked } from "./certificate-store.shell.ts";
import { issuerId } from "./enroll.shell.ts";

export type Crl = {
  /** The list of `ISSUER.crl`, DER; undefined for another name. */ read(file: string): Promise<Buffer | undefined>;
};

// Anybody may ask; so the list is signed at most this often.
const kept = seconds(30);

/** [RFC 5280 5] The revocation list of our issuing CA, for brokers and proxies of others. Our own endpoints ask the database. */
export function createCrl({ db, clock, authority }: { db: Database; clock: Clock; authority: OwnAuthority }): Crl {
  const name = `${issuerId(authority)}.crl`;
  let last: { at: number; der: Promise<Buffer> } | undefined;
  const make = async (now: number): Promise<Buffer> => {
    const revoked = await listRevoked(db, { issuer: issuerId(authority), now });
    return issueCrl({
      issuer: issuerOf(authority.issuing),
      number: Math.floor(now / 1_000),
      thisUpdate: now,
      nextUpdate: now + days(1),
      revoked: revoked.map(({ serialNumber, revokedAt = now }) => ({ serialNumber, at: revokedAt, reason: "unspecified" })),
    });
  };
  return {
    async read(file) {
      if (file !== name) return undefined;
      const now = clock.now();
      if (last === undefined || now < last.at || now > last.at + kept) {
        last = { at: now, der: make(now) };
        // A list that could not be made is not kept.
        last.der.catch(() => {
          last = undefined;
        });
      }
      return last.der;
    },
  };
}
