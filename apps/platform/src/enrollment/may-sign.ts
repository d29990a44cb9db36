import { days } from "@tenfold/base";
import { type Authority, type Certificate, keyIdentifier, oids, sameName, type ToBeSigned } from "@tenfold/pki";

/** What the process that keeps the keys allows others to have signed. */
export type SigningPolicy = {
  /** Of a device's certificate, ms. */
  readonly deviceLifetime: number;
  /** Names and addresses that a server's certificate may bear, beside loopback and names without a dot. */
  readonly hostnames: readonly string[];
};

const serverLifetime = days(90);
const allowance = days(1);
const loopback = new Set(["localhost", "127.0.0.1", "::1", "0:0:0:0:0:0:0:1"]);

/**
 * Why this may not be signed for another process; undefined when it may. A server of devices that was taken over must not get a CA, a
 * certificate for a name of somebody else, or one that outlives its time. (A device's certificate opens nothing until it stands in the database.)
 */
export function refusalToSign(
  asked: ToBeSigned,
  { certificate: own, signer }: Authority,
  policy: SigningPolicy,
): string | undefined {
  if (asked.is === "revocation_list")
    return sameName(asked.issuer, own.subject) ? undefined : "it is another issuer's revocation list";
  if (asked.is === "ocsp_response")
    return asked.key.equals(keyIdentifier(signer.publicKey)) ? undefined : "it answers for another key";
  return refusalToCertify(asked.certificate, own, policy);
}

function refusalToCertify(asked: Certificate, own: Certificate, policy: SigningPolicy): string | undefined {
  const { issuer, basicConstraints, extendedKeyUsage, notBefore, notAfter, alternativeNames } = asked;
  if (!sameName(issuer, own.subject)) return "it names another issuer";
  if (basicConstraints?.ca !== false) return "it would be an authority";
  const [usage, ...more] = extendedKeyUsage ?? [];
  if (more.length > 0) return "it has several purposes";
  const lifetime = notAfter - notBefore;
  if (usage === oids.clientAuth) return lifetime > policy.deviceLifetime + allowance ? "it would live too long" : undefined;
  if (usage !== oids.serverAuth) return "it is neither a device's nor a server's";
  if (lifetime > serverLifetime + allowance) return "it would live too long";
  const stranger = alternativeNames.find(({ value }) => !isOurs(value, policy.hostnames));
  return stranger === undefined ? undefined : `it bears the name ${stranger.value}, which is none of device.hostnames here`;
}

const isOurs = (name: string, hostnames: readonly string[]): boolean =>
  loopback.has(name) || !/[.:]/.test(name) || hostnames.some((one) => one.toLowerCase() === name.toLowerCase());
