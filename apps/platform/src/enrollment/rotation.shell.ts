import { join } from "node:path";
import { days, newId } from "@tenfold/base";
import type { Actor, Rotation } from "@tenfold/contracts";
import { type Authority, createIssuing, createRoot, crossCertify, type KeyStore, oids, writeFileAtomically } from "@tenfold/pki";
import type { Database, Transaction } from "../kernel/index.ts";
import { type AuthorityPicture, issuerId, type Line, type OpenedRotation, openRotation, pictureOf } from "./authorities.shell.ts";
import { clockAllowance, type OwnAuthority } from "./authority.shell.ts";
import type { EnrollmentDeps } from "./deps.ts";
import { enrollmentProblems } from "./errors.ts";
import { generationOf, type NoticeFacts } from "./notice.ts";
import { judgeRotation, mayAbort, type RotationKind, type RotationPhase } from "./rotation.ts";
import {
  countFacts,
  findOpenRotation,
  insertAuthorities,
  insertRotation,
  listRotations,
  listTrustChanges,
  loadRotations,
  lockRotation,
  recordTrust,
  type StoredAuthority,
  type StoredRotation,
  writeHold,
  writePhase,
} from "./rotation-store.shell.ts";

export type Rotations = {
  /** The authorities as they are now. */
  authorities(): AuthorityPicture;
  /** What devices are told of it. */
  noticeFacts(): Omit<NoticeFacts, "within">;
  /** Called after the picture changed: the endpoints' certificate may be another. */
  onChange(listener: () => Promise<void>): void;
  rotate(wish: { kind: RotationKind; share: number; actor: Actor }): Promise<Rotation>;
  list(): Promise<Rotation[]>;
  hold(wish: { id: string; because: string; actor: Actor }): Promise<Rotation>;
  resume(wish: { id: string; because: string; actor: Actor }): Promise<Rotation>;
  abort(wish: { id: string; because: string; actor: Actor }): Promise<Rotation>;
  /** Takes up what another process has done: its rotation is ours, too. */
  follow(): Promise<void>;
  /** Goes on to the next phase where its gate is open. Safe to call at any time, twice and on two servers. */
  advance(): Promise<RotationPhase | undefined>;
  /** Notes which roots devices say they believe. Idempotent; what was heard before costs nothing. */
  observeTrust(
    reports: readonly { scope: { fleet: string }; device: string; roots: readonly string[]; at: number }[],
  ): Promise<void>;
};

export type RotationDeps = Pick<EnrollmentDeps, "db" | "audit" | "clock" | "log" | "dataDir" | "renewalGrace"> & {
  authority: OwnAuthority;
  keys: KeyStore;
  /** Ids of the active devices of all fleets whose newest certificate ends, or ended, after `since`. */
  activeDevices: (since: number) => Promise<readonly string[]>;
};

const loop: Actor = { kind: "system", id: "enrollment", name: "enrollment" };
/** The authority is the installation's; its entries in the audit trail stand in the default fleet. */
const scope = { fleet: "main" };
const issuingLifetime = days(5 * 365);

/** Opens the authorities as the database says they are. */
export async function createRotations(deps: RotationDeps): Promise<Rotations> {
  const { db, clock, dataDir, audit, log } = deps;
  const { keys } = deps;
  const listeners: (() => Promise<void>)[] = [];
  let state = await load(db, keys, deps.authority);

  async function reload(): Promise<void> {
    state = await load(db, keys, deps.authority);
    await writeFileAtomically(join(dataDir, "pki", "ca.pem"), state.picture.trustedCaPem, 0o644);
    for (const listener of listeners) await listener();
  }
  if (state.open !== undefined || state.current.root !== deps.authority.root) await reload();
  const follow = async () => {
    const open = await findOpenRotation(db);
    if (open?.phase !== state.open?.rotation.phase || open?.id !== state.open?.rotation.id) await reload();
    return open;
  };

  const factsOf = async (rotation: StoredRotation) => {
    const open = state.open?.rotation.id === rotation.id ? state.open : undefined;
    const newRoot = rotation.kind === "root" ? open?.line.root.fingerprint : undefined;
    const oldIssuers = open === undefined ? [] : [issuerId(state.current.issuing)];
    // A device that sleeps past its end within the grace comes back with the old certificate and the old trust: it counts.
    const since = clock.now() - (deps.renewalGrace ?? days(30));
    return countFacts(db, { newRoot, oldIssuers, active: open ? await deps.activeDevices(since) : [], since });
  };
  const shown = async (rotation: StoredRotation): Promise<Rotation> => {
    const { stragglers, ...facts } = await factsOf(rotation);
    const { open, waitsFor } = judgeRotation(rotation, facts);
    return toApi(rotation, { open, waitsFor, ...facts, stragglers });
  };
  /** Changes an open rotation and its audit entry in one transaction. */
  const change = async (
    { id, actor, action, because }: { id: string; actor: Actor; action: string; because?: string },
    work: (tx: Transaction, rotation: StoredRotation) => Promise<StoredRotation | undefined>,
  ): Promise<StoredRotation> => {
    const changed = await db.transaction().execute(async (tx) => {
      const rotation = await lockRotation(tx, id);
      if (rotation === undefined) throw enrollmentProblems.rotation_unknown(`There is no rotation ${id}.`);
      if (rotation.endedAt !== undefined)
        throw enrollmentProblems.rotation_ended(`Rotation ${id} has ended: ${rotation.phase}.`, { fix: "Begin another one." });
      const next = (await work(tx, rotation)) ?? rotation;
      const detail = { kind: next.kind, phase: next.phase, because: because ?? null };
      await audit(tx, scope, { actor, action, subject: { kind: "rotation", id }, detail });
      return next;
    });
    log.info(action, { rotation: id, phase: changed.phase });
    return changed;
  };

  return {
    authorities: () => state.picture,
    noticeFacts: () => factsForDevices(state),
    onChange: (listener) => void listeners.push(listener),
    list: async () => Promise.all((await listRotations(db)).map(shown)),
    async rotate({ kind, share, actor }) {
      const at = clock.now();
      const id = newId("rot", at);
      if ((await findOpenRotation(db)) !== undefined) throw alreadyOpen();
      const made = await makeAuthorities({ keys, before: state.current, kind, id, now: at });
      const started = await db.transaction().execute(async (tx) => {
        const rotation = await insertRotation(tx, { id, kind, share, at });
        if (rotation === undefined) throw alreadyOpen();
        await insertAuthorities(tx, made);
        await audit(tx, scope, { actor, action: "rotation.started", subject: { kind: "rotation", id }, detail: { kind, share } });
        return rotation;
      });
      await reload();
      return shown(started);
    },
    async hold({ id, because, actor }) {
      return shown(await change({ id, actor, because, action: "rotation.held" }, (tx) => writeHold(tx, id, because)));
    },
    async resume({ id, because, actor }) {
      return shown(await change({ id, actor, because, action: "rotation.resumed" }, (tx) => writeHold(tx, id, undefined)));
    },
    async abort({ id, because, actor }) {
      const aborted = await change({ id, actor, because, action: "rotation.aborted" }, (tx, rotation) => {
        if (!mayAbort(rotation.phase))
          throw enrollmentProblems.rotation_not_abortable(`Rotation ${id} issues certificates from the new authority already.`, {
            fix: "Let it end, or hold it; then rotate again.",
          });
        return writePhase(tx, { id, phase: "aborted", at: clock.now(), because });
      });
      await reload();
      return shown(aborted);
    },
    follow: async () => void (await follow()),
    async advance() {
      const open = await follow();
      if (open === undefined) return undefined;
      const gate = judgeRotation(open, await factsOf(open));
      const { next } = gate;
      if (!gate.open || next === undefined) return undefined;
      const moved = await change({ id: open.id, actor: loop, action: `rotation.${next}` }, async (tx, rotation) =>
        rotation.phase === open.phase && rotation.heldBecause === undefined
          ? writePhase(tx, { id: open.id, phase: next, at: clock.now() })
          : undefined,
      );
      await reload();
      return moved.phase;
    },
    observeTrust: rememberTrust(db),
  };
}

const alreadyOpen = () =>
  enrollmentProblems.rotation_open("Another rotation is under way.", { fix: "See it with `tenfold identity status`." });

type State = { current: Line; open: OpenedRotation | undefined; picture: AuthorityPicture; generation: number };

const factsForDevices = ({ current, open, picture, generation }: State): Omit<NoticeFacts, "within"> => ({
  generation,
  roots: picture.roots.map(({ fingerprint }) => fingerprint),
  leaving: open?.rotation.phase === "issue" ? issuerId(current.issuing) : undefined,
});

/** Rotations that are done lie on each other; the last one may still be under way. */
async function load(db: Database, keys: KeyStore, { root, rootSigner, issuing }: OwnAuthority): Promise<State> {
  let current: Line = { root, rootKey: rootSigner, issuing };
  let open: OpenedRotation | undefined;
  const retired: Authority[] = [];
  for (const one of await loadRotations(db)) {
    const opened = await openRotation(keys, current, one);
    if (one.rotation.phase !== "done") {
      open = opened;
      continue;
    }
    retired.push(current.issuing);
    current = opened.line;
  }
  return { current, open, picture: pictureOf(current, open, retired), generation: generationOf(await listTrustChanges(db)) };
}

type Making = { keys: KeyStore; before: Line; kind: RotationKind; id: string; now: number };

/** Makes keys and certificates. What a crash leaves here is keys that nobody knows of. */
async function makeAuthorities({ keys, before, kind, id, now }: Making): Promise<StoredAuthority[]> {
  if (before.rootKey === undefined)
    throw enrollmentProblems.root_key_off_line("The root's key is off line, and a rotation needs it.", {
      fix: "Put its key file back into pki/ with mode 0600, restart, rotate, and take it away again.",
    });
  const old: Authority = { certificate: before.root, signer: before.rootKey };
  const from = now - clockAllowance;
  const store = (role: StoredAuthority["role"], certificate: Buffer, keyName?: string): StoredAuthority => ({
    id: newId("aut", now),
    rotation: id,
    role,
    certificate,
    keyName,
  });
  const newKey = async (role: string) => ({ keyName: `${role}-${id}`, signer: await keys.create(`${role}-${id}`) });
  const rootKey = kind === "root" ? await newKey("root") : undefined;
  const root = rootKey && (await createRoot({ signer: rootKey.signer, name: named(`Tenfold Root CA ${id}`), now: from }));
  const { keyName, signer } = await newKey("issuing");
  const name = named(`Tenfold Issuing CA ${id}`);
  const issuing = await createIssuing(root ?? old, { signer, name, now: from, lifetime: issuingLifetime });
  return [
    store("issuing", issuing.certificate.der, keyName),
    ...(root && rootKey
      ? [
          store("root", root.certificate.der, rootKey.keyName),
          store("new_with_old", (await crossCertify(old, root, from)).der),
          store("old_with_new", (await crossCertify(root, old, from)).der),
        ]
      : []),
  ];
}

const named = (name: string) => [
  { type: oids.organizationName, value: "Tenfold" },
  { type: oids.commonName, value: name },
];

const mostRemembered = 200_000;

/** Heartbeats repeat the same roots for years: only a change is written. */
function rememberTrust(db: Database): Rotations["observeTrust"] {
  const known = new Map<string, string>();
  return async (reports) => {
    const fresh = reports.filter(({ device, roots }) => known.get(device) !== roots.join());
    if (fresh.length === 0) return;
    await recordTrust(
      db,
      fresh.map(({ scope: { fleet }, ...report }) => ({ fleet, ...report })),
    );
    if (known.size > mostRemembered) known.clear();
    for (const { device, roots } of fresh) known.set(device, roots.join());
  };
}

const iso = (at: number): string => new Date(at).toISOString();

const toApi = (one: StoredRotation, gate: Rotation["gate"]): Rotation => ({
  id: one.id,
  kind: one.kind,
  phase: one.phase,
  share: one.share,
  ...(one.heldBecause === undefined ? {} : { heldBecause: one.heldBecause }),
  startedAt: iso(one.startedAt),
  phaseSince: iso(one.phaseSince),
  ...(one.endedAt === undefined ? {} : { endedAt: iso(one.endedAt) }),
  ...(one.endedBecause === undefined ? {} : { endedBecause: one.endedBecause }),
  gate,
});
