export {
  type Authority,
  createAuthority,
  createIssuing,
  createRoot,
  crossCertify,
  issuerOf,
  newSigner,
  type RootWish,
} from "./authority.ts";
export { type Certificate, readCertificate } from "./certificate.ts";
export {
  type ChainFault,
  type ChainQuestion,
  type ChainVerdict,
  type DerChainQuestion,
  isCertifiedBy,
  validateChain,
  validateDerChain,
} from "./chain.ts";
export { type CmsQuestion, type CmsVerdict, type CmsWish, signCms, verifyCms } from "./cms.ts";
export { type CrlWish, issueCrl, type RevocationList, type RevokedEntry, readCrl } from "./crl.ts";
export { type CertificateRequest, type CsrWish, createCsr, readCsr } from "./csr.ts";
export { type Der, type DerLimits, readDer } from "./der-read.ts";
export * as der from "./der-write.ts";
export { pkiProblems } from "./errors.ts";
export type { AlternativeName } from "./extensions.ts";
export { makePrivateFolder, readOptionalFile, readPrivateFile, writeFileAtomically } from "./files.ts";
export { certificateFingerprint, spkiFingerprint } from "./fingerprint.ts";
export {
  type DeviceIdentity,
  type DeviceIdentityWish,
  makeDeviceIdentity,
  makeManufacturer,
  newDeviceKey,
  noEnd,
  privateKeyPem,
  readPrivateKey,
} from "./idevid.ts";
export { type CertificateWish, type Issuer, issueCertificate, keyIdentifier, randomSerial } from "./issue.ts";
export {
  type KeyUriKind,
  keyUriIn,
  kindOfKeyUri,
  openHardwareKey,
  openKey,
  openKeyStore,
  pathOfFileUri,
  readKeyUri,
} from "./key-uri.ts";
export { type PublicKey, publicKeyOf, readPublicKeyDer, readPublicKeyPem, type Signer, signerOf } from "./keys.ts";
export { fileKeyStore, type HardwareSigner, type KeyStore } from "./keystore.ts";
export {
  entryHashOf,
  type LogHead,
  type LogVerdict,
  type LogWalk,
  logStart,
  readLogLine,
  type SealedEntry,
  sealEntry,
  verifyLog,
  walkLog,
} from "./log-chain.ts";
export {
  attributeOf,
  commonNameOf,
  formatName,
  makeName,
  type Name,
  type NameAttribute,
  sameName,
  serialNumberOf,
} from "./name.ts";
export {
  isIssuedBy,
  issueOcspResponse,
  type OcspCertId,
  type OcspRequest,
  type OcspStatus,
  ocspError,
  readOcspRequest,
} from "./ocsp.ts";
export { oids } from "./oids.ts";
export { fromBase64, fromPem, type PemLabel, toPem } from "./pem.ts";
export { certsOnly, readCertsOnly } from "./pkcs7.ts";
export { type TlsKey, tlsKeyOf } from "./pkcs11/tls-key.ts";
export { readToBeSigned, type ToBeSigned } from "./to-be-signed.ts";
export { createTpmAttestor, type TpmAttestor, type TpmChallenge } from "./tpm/attestor.ts";
export { makeCredential } from "./tpm/credential.ts";
export {
  type Evidence,
  judgeClaim,
  judgeEvidence,
  matchReference,
  type PcrReference,
  type PlausibleClaim,
  type TpmCheck,
  type TpmClaim,
  type TpmCounters,
  type TpmFault,
} from "./tpm/evidence.ts";
export { readTpmPublic, type TpmPublic } from "./tpm/public-area.ts";
