import { createHash } from "node:crypto";
import { readCertificate } from "../certificate.ts";
import { readDer } from "../der-read.ts";
import { pkiProblems } from "../errors.ts";
import { readTpmUri, type TpmUri } from "./address.ts";
import { type Evidence, qualifyingData, type TpmClaim } from "./evidence.ts";
import { loadTpmKey } from "./key-store.ts";
import { alg, attribute, curve, handle } from "./names.ts";
import { readTpmPublic, writeTemplate } from "./public-area.ts";
import { type Loaded, type Tpm, withTpm } from "./tpm.ts";

const { fixedTpm, fixedParent, sensitiveDataOrigin, userWithAuth, adminWithPolicy, noDa, restricted, decrypt, sign } = attribute;
const bound = fixedTpm | fixedParent | sensitiveDataOrigin;

/** [TCG EK Credential Profile 2.5 B.3, B.6] The policies that its templates name: PolicySecret of the endorsement hierarchy, and more. */
const policyA = Buffer.from("837197674484b3f81a90cc8d46a5d724fd52d76e06520b64f2a1da1b331469aa", "hex");
const policyB384 = Buffer.from(
  "b26e7d28d11a50bc53d882bcf5fd3a1a074148bb35d3b4e4cb1c0ad9bde419cacb47ba09699646150f9fc000f3f80e12",
  "hex",
);

type EkKind = {
  readonly certificate: number;
  /** Where makers leave the key itself, so that it need not be made again. */
  readonly persistent: number;
  readonly template: Buffer;
  readonly authorization: "password" | "policy";
};

/** [the same, B.3 and B.4] ECC first: an RSA key takes a chip seconds to make. */
const ekKinds: readonly EkKind[] = [
  {
    certificate: 0x01c0_000a,
    persistent: 0x8101_000a,
    authorization: "policy",
    template: writeTemplate({
      attributes: bound | adminWithPolicy | restricted | decrypt,
      authPolicy: policyA,
      symmetricBits: 128,
      curve: curve.p256,
      unique: { x: Buffer.alloc(32), y: Buffer.alloc(32) },
    }),
  },
  {
    certificate: 0x01c0_0016,
    persistent: 0x8101_0016,
    authorization: "password",
    template: writeTemplate({
      nameAlg: alg.sha384,
      attributes: bound | userWithAuth | adminWithPolicy | restricted | decrypt,
      authPolicy: policyB384,
      symmetricBits: 256,
      curve: curve.p384,
    }),
  },
  {
    certificate: 0x01c0_0002,
    persistent: 0x8101_0001,
    authorization: "policy",
    template: writeTemplate({
      attributes: bound | adminWithPolicy | restricted | decrypt,
      authPolicy: policyA,
      symmetricBits: 128,
      rsaBits: 2_048,
      unique: Buffer.alloc(256),
    }),
  },
];

const akTemplate = writeTemplate({
  attributes: bound | userWithAuth | noDa | restricted | sign,
  scheme: { alg: alg.ecdsa, hash: alg.sha256 },
  curve: curve.p256,
  // Makes it a key of its own beside other primaries of this template.
  unique: { x: createHash("sha256").update("tenfold attestation key").digest(), y: Buffer.alloc(32) },
});

/** What the platform asks after a claim. */
export type TpmChallenge = {
  readonly credentialBlob: Buffer;
  readonly encryptedSecret: Buffer;
  readonly nonce: Buffer;
  readonly pcrs: readonly number[];
};

/** The device's side of an attestation for one of its TPM's keys (`tpm:` URI with a key). */
export type TpmAttestor = { claim(): Promise<TpmClaim>; answer(challenge: TpmChallenge): Promise<Evidence> };

/** `ek` chooses one of several endorsement keys. Throws `key_store_unreachable`, `key_store_refused`, `key_missing`. */
export function createTpmAttestor(keyUri: string, { ek }: { ek?: "p256" | "p384" | "rsa" } = {}): TpmAttestor {
  const uri = readTpmUri(keyUri);
  const kinds = ek === undefined ? ekKinds : ekKinds.filter((_, at) => at === ["p256", "p384", "rsa"].indexOf(ek));
  return {
    claim: () =>
      withTpm(uri.address, async (tpm) => {
        const { loaded, certificate } = await openEk(tpm, kinds);
        const ak = await tpm.createPrimary(handle.endorsement, akTemplate);
        return { ek: loaded.area, ekCertificates: [certificate], ak: ak.area, key: await areaOf(tpm, uri) };
      }),
    answer: (challenge) =>
      withTpm(uri.address, async (tpm) => {
        const ak = await tpm.createPrimary(handle.endorsement, akTemplate);
        const opened = await openEk(tpm, kinds);
        const secret = await tpm.activateCredential(
          { ak, ek: opened.loaded, ekAuthorization: opened.kind.authorization },
          challenge,
        );
        await tpm.flush(opened.loaded);
        const nonce = qualifyingData(challenge.nonce, secret);
        const key = await loadTpmKey(tpm, uri);
        const certify = await tpm.certify(key, { ak, nonce });
        await tpm.flush(key);
        const selection = { hash: alg.sha256, pcrs: challenge.pcrs };
        // Something may be measured between reading and quoting; the platform would see that they differ, and the device asks again.
        const pcrs = await tpm.readPcrs(selection);
        return { secret, certify, quote: await tpm.quote(ak, { nonce, selection }), pcrs };
      }),
  };
}

async function areaOf(tpm: Tpm, uri: TpmUri): Promise<Buffer> {
  const key = await loadTpmKey(tpm, uri);
  await tpm.flush(key);
  return key.area;
}

/** The first endorsement key that has a certificate, and that the TPM really has. */
async function openEk(tpm: Tpm, kinds: readonly EkKind[]): Promise<{ loaded: Loaded; certificate: Buffer; kind: EkKind }> {
  for (const kind of kinds) {
    const found = await tpm.readNv(kind.certificate);
    if (found === undefined) continue;
    const certificate = trimmed(found);
    const certified = readCertificate(certificate).publicKey.der;
    const isCertified = ({ area }: Loaded) => readTpmPublic(area).publicKey.der.equals(certified);
    const persistent = await tpm.readPersistent(kind.persistent);
    if (persistent !== undefined && isCertified(persistent)) return { loaded: persistent, certificate, kind };
    const made = await tpm.createPrimary(handle.endorsement, kind.template);
    if (isCertified(made)) return { loaded: made, certificate, kind };
    await tpm.flush(made);
  }
  throw pkiProblems.key_missing("This TPM has no endorsement certificate that belongs to one of its keys.", {
    fix: "Some makers offer it for download only: write it to NV 0x01c00002 (RSA) or 0x01c0000a (P-256). `tpm2_getekcertificate` helps.",
  });
}

/** Makers reserve more room than the certificate takes. */
function trimmed(found: Buffer): Buffer {
  const size = found.length > 4 && found[1] === 0x82 ? 4 + found.readUInt16BE(2) : found.length;
  const certificate = found.subarray(0, Math.min(size, found.length));
  readDer(certificate);
  return certificate;
}
