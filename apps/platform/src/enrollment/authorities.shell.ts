import { type Authority, type Certificate, type KeyStore, keyIdentifier, readCertificate, toPem } from "@tenfold/pki";
import { enrollmentProblems } from "./errors.ts";
import type { RotationPhase } from "./rotation.ts";
import type { AuthorityRole, StoredAuthority, StoredRotation } from "./rotation-store.shell.ts";

/** The authorities as they are used now. A rotation replaces the whole picture; whoever holds an old one asks again. */
export type AuthorityPicture = {
  /** Whom we believe for devices' certificates. */
  readonly roots: readonly Certificate[];
  /** The issuing CAs whose certificates connect and renew. */
  readonly issuers: readonly Authority[];
  /** These and the ones that rotations have retired: revocation lists and OCSP go on for others. */
  readonly answering: readonly Authority[];
  /** Signs new certificates of devices. */
  readonly issuing: Authority;
  /** Signs the endpoints' certificate; `chain` is sent behind it. */
  readonly serving: { readonly authority: Authority; readonly chain: readonly Certificate[] };
  /** [E11] What `cacerts` answers: the issuing CA in use first. */
  readonly caCertificates: readonly Certificate[];
  /** PEM of the roots that devices should believe. */
  readonly trustedCaPem: string;
};

/** One root with its issuing CA. `rootKey` is absent when an operator took it off line. */
export type Line = { readonly root: Certificate; readonly rootKey: Authority["signer"] | undefined; readonly issuing: Authority };

export type OpenedRotation = {
  readonly rotation: StoredRotation;
  readonly line: Line;
  readonly newWithOld: Certificate | undefined;
  readonly oldWithNew: Certificate | undefined;
};

/** Opens what a rotation made on top of the line before it. Throws `authority_files_inconsistent` when a key is missing. */
export async function openRotation(
  keys: KeyStore,
  before: Line,
  { rotation, made }: { rotation: StoredRotation; made: readonly StoredAuthority[] },
): Promise<OpenedRotation> {
  const find = (role: AuthorityRole) => made.find((one) => one.role === role);
  const certificateOf = (role: AuthorityRole) => {
    const found = find(role);
    return found && readCertificate(found.certificate);
  };
  const issuingName = find("issuing")?.keyName;
  const [issuing, signer] = [certificateOf("issuing"), issuingName === undefined ? undefined : await keys.open(issuingName)];
  if (issuing === undefined || signer === undefined || !signer.publicKey.der.equals(issuing.publicKey.der)) {
    throw enrollmentProblems.authority_files_inconsistent(
      `The key of the issuing CA that rotation ${rotation.id} made is missing: ${issuingName ?? "unknown"}.key.`,
      { fix: "Restore the pki/ folder from a backup of the same time as the database." },
    );
  }
  const rootName = find("root")?.keyName;
  const root = certificateOf("root");
  return {
    rotation,
    line: {
      root: root ?? before.root,
      rootKey: rootName === undefined ? before.rootKey : await keys.open(rootName),
      issuing: { certificate: issuing, signer },
    },
    newWithOld: certificateOf("new_with_old"),
    oldWithNew: certificateOf("old_with_new"),
  };
}

const reached = (phase: RotationPhase, wanted: "serve" | "issue"): boolean =>
  phase === wanted || (wanted === "serve" && phase === "issue");

/** The picture while one line is current and, at most, one rotation leads to the next. Pure. */
export function pictureOf(current: Line, open: OpenedRotation | undefined, retired: readonly Authority[]): AuthorityPicture {
  const single = [current.root];
  if (open === undefined || open.rotation.phase === "aborted")
    return picture({ current: current.issuing, retired, roots: single, issuers: [current.issuing], serving: current.issuing });
  const { rotation, line, newWithOld, oldWithNew } = open;
  const cross = [newWithOld, oldWithNew].filter((one) => one !== undefined);
  const serving = reached(rotation.phase, "serve") ? line.issuing : current.issuing;
  return picture({
    retired,
    current: reached(rotation.phase, "issue") ? line.issuing : current.issuing,
    roots: line.root === current.root ? single : [current.root, line.root],
    issuers: [current.issuing, line.issuing],
    serving,
    // [RFC 4210 4.4] Who believes only the old root finds its way to the new one.
    behind: serving === line.issuing && newWithOld !== undefined ? [newWithOld] : [],
    cross,
  });
}

type Parts = {
  current: Authority;
  retired: readonly Authority[];
  roots: readonly Certificate[];
  issuers: readonly Authority[];
  serving: Authority;
  behind?: readonly Certificate[];
  cross?: readonly Certificate[];
};

function picture({ current, retired, roots, issuers, serving, behind = [], cross = [] }: Parts): AuthorityPicture {
  const others = issuers.filter((one) => one !== current).map(({ certificate }) => certificate);
  return {
    roots,
    issuers,
    answering: [...issuers, ...retired],
    issuing: current,
    serving: { authority: serving, chain: [serving.certificate, ...behind] },
    caCertificates: [current.certificate, ...others, ...roots, ...cross],
    trustedCaPem: roots.map((root) => toPem("CERTIFICATE", root.der)).join(""),
  };
}

/** The name of an issuing CA in file names and tables: its key identifier, in hex. */
export const issuerId = ({ signer }: Authority): string => keyIdentifier(signer.publicKey).toString("hex");
