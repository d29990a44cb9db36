import type { Scope } from "@tenfold/base";
import type { Actor, Lifecycle } from "@tenfold/contracts";
import type { Bus, Clock, Database, Log, Transaction } from "../kernel/index.ts";
import type { AttestationFailurePolicy } from "./attestation.ts";
import type { ClonePolicy } from "./clones.ts";

/** What enrollment asks of the registry. */
type DeviceRegistry = {
  find(id: string): Promise<{ id: string; scope: Scope; lifecycle: Lifecycle; model?: string; trustLevel: number } | undefined>;
  register(
    tx: Transaction,
    scope: Scope,
    device: {
      id: string;
      lifecycle: "expected" | "pending" | "active";
      model?: string;
      tags?: Record<string, string>;
      trustLevel?: number;
    },
  ): Promise<"created" | "already">;
  pictures(scope: Scope, devices: readonly string[]): Promise<readonly { readonly id: string; readonly lifecycle: Lifecycle }[]>;
  setLifecycle(scope: Scope, id: string, change: { to: Lifecycle; reason: string; actor: Actor }): Promise<unknown>;
  lifecycleOf(tx: Transaction, scope: Scope, id: string): Promise<Lifecycle | undefined>;
  changeLifecycle(
    tx: Transaction,
    scope: Scope,
    id: string,
    change: { to: Lifecycle; reason: string; actor: Actor },
  ): Promise<() => void>;
  traitsOf(
    tx: Transaction,
    scope: Scope,
    id: string,
  ): Promise<{ model?: string; tags: Record<string, string>; trustLevel: number }>;
  succeed(tx: Transaction, scope: Scope, succession: { from: string; to: string }): Promise<void>;
  activate(tx: Transaction, scope: Scope, id: string, as: { trustLevel: number }): Promise<unknown>;
  setTrustLevel(tx: Transaction, scope: Scope, id: string, to: { level: number }): Promise<void>;
};

type AuditedChange = {
  actor: Actor;
  action: string;
  subject: { kind: string; id: string };
  detail: Record<string, string | number | boolean | null>;
};
type Audit = (tx: Transaction, scope: Scope, entry: AuditedChange) => Promise<unknown>;

export type EnrollmentDeps = {
  readonly db: Database;
  readonly registry: DeviceRegistry;
  readonly audit: Audit;
  /** The same for many changes of one moment. */
  readonly auditAll: (tx: Transaction, scope: Scope, entries: readonly AuditedChange[]) => Promise<unknown>;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly log: Log;
  /** The server's data folder; the authority's files stand in `pki/` below it. */
  readonly dataDir: string;
  /** Where the keys of our authorities are made (`pkcs11:token=…`), and the token's PIN; files in `pki/` unless told otherwise. */
  readonly caKey?: string | undefined;
  readonly caPin?: string | undefined;
  /** Names and addresses by which devices reach this server, beside localhost and the machine's own name. */
  readonly hostnames: readonly string[];
  /** How long a device's certificate lives, in milliseconds; 30 days unless told otherwise. */
  readonly certificateLifetime?: number;
  /** Where devices reach the device HTTPS endpoint, for the addresses of revocation list and OCSP in certificates: `https://host:8443`. */
  readonly deviceUrl?: () => string | undefined;
  /** Whether every request must be linked to its TLS connection; `optional` unless told otherwise. */
  readonly linking?: "optional" | "required";
  /** How long after its end a device's last certificate still renews, in milliseconds; 30 days unless told otherwise. */
  readonly renewalGrace?: number;
  /** What to do about an identity in two places; unless told otherwise a proven fork is quarantined, and signs are noted. */
  readonly clonePolicy?: ClonePolicy;
  /** Over how long a rotation spreads devices that it asks for new trust or a new certificate, in milliseconds; six hours unless told otherwise. */
  readonly rotationWithin?: number;
  /** Sends to a device that is connected; false where it is not. It is told when it connects. */
  readonly send?: (device: string, message: { topic: "identity/certificate"; payload: string }) => boolean;
  /** What a device finds there has changed: its link, if it is connected, asks `notice` and sends that. */
  readonly refresh?: (device: string, topic: "identity") => boolean;
  /** What to do about an attestation that failed or shows unknown software; it is noted unless told otherwise. */
  readonly onAttestationFailure?: AttestationFailurePolicy;
  /** Whether this process keeps the authority's keys or asks the one that does; `keep` unless told otherwise. */
  readonly authority?: "keep" | "ask";
  /** Whether devices come to this process, which then needs a server certificate; `here` unless told otherwise. */
  readonly endpoints?: "here" | "elsewhere";
  /** Requests that one identity may make in a minute; 60 unless told otherwise. */
  readonly requestsPerMinute?: number;
};
