import { generateKeyPairSync } from "node:crypto";
import { days } from "@tenfold/base";
import {
  type MetadataSigner,
  type MetadataSource,
  makeRoot,
  makeSnapshot,
  makeTargets,
  makeTimestamp,
  metadataSigner,
  metaFileOf,
  signMetadata,
  type TargetFile,
  type TopRole,
} from "@tenfold/ota";

/** A new key that signs metadata. */
export const newMetadataSigner = (kind: "ed25519" | "p256" = "ed25519"): MetadataSigner =>
  metadataSigner(
    kind === "ed25519" ? generateKeyPairSync("ed25519").privateKey : generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey,
  );

/**
 * A TUF repository in memory with really signed files, for tests that play its owner, its thief and its mirror. Everything may be
 * changed before it is published; `files` may be changed after.
 */
export type PretendRepository = {
  readonly files: Map<string, Buffer>;
  /** Who signs, and the keys that the next root lists. */
  readonly signers: Record<TopRole, MetadataSigner[]>;
  readonly thresholds: Record<TopRole, number>;
  readonly versions: Record<TopRole, number>;
  readonly expires: Record<TopRole, number>;
  targets: Record<string, TargetFile>;
  extra: Record<string, string>;
  delegations: Parameters<typeof makeTargets>[0]["delegations"];
  /** Names that were asked for, in order. */
  readonly asked: string[];
  readonly source: MetadataSource;
  /** The first root, as a device is made with it. */
  root(): string;
  /** The next root, signed by the keys before and the keys now. */
  publishRoot(signers?: readonly MetadataSigner[]): Promise<void>;
  publishTargets(): Promise<void>;
  publishRole(name: string, targets: Record<string, TargetFile>, signer: MetadataSigner): Promise<void>;
  publishSnapshot(): Promise<void>;
  publishTimestamp(): Promise<void>;
  /** The next version of everything below the root. */
  publish(): Promise<void>;
};

export async function createPretendRepository({ now = Date.now() }: { now?: number } = {}): Promise<PretendRepository> {
  const signers = {
    root: [newMetadataSigner()],
    timestamp: [newMetadataSigner()],
    snapshot: [newMetadataSigner()],
    targets: [newMetadataSigner()],
  };
  let previousRoot: MetadataSigner[] = [];
  const delegated = new Map<string, { version: number; text: string }>();
  const put = (name: string, text: string) => repository.files.set(name, Buffer.from(text));
  const file = (name: string) => repository.files.get(name)?.toString() ?? "";
  const repository: PretendRepository = {
    files: new Map(),
    signers,
    thresholds: { root: 1, timestamp: 1, snapshot: 1, targets: 1 },
    versions: { root: 0, timestamp: 0, snapshot: 0, targets: 0 },
    expires: { root: now + days(365), timestamp: now + days(1), snapshot: now + days(7), targets: now + days(90) },
    targets: {},
    extra: {},
    delegations: undefined,
    asked: [],
    source: async (name, maxBytes) => {
      repository.asked.push(name);
      return repository.files.get(name)?.subarray(0, maxBytes + 1);
    },
    root: () => file("1.root.json"),
    async publishRoot(by) {
      const { versions, expires, thresholds } = repository;
      versions.root += 1;
      const role = (name: TopRole) => ({ keys: signers[name].map(({ key }) => key), threshold: thresholds[name] });
      const roles = { root: role("root"), timestamp: role("timestamp"), snapshot: role("snapshot"), targets: role("targets") };
      const signed = makeRoot({ version: versions.root, expires: expires.root, signedAt: now, roles });
      put(`${versions.root}.root.json`, await signMetadata(signed, by ?? [...new Set([...previousRoot, ...signers.root])]));
      previousRoot = [...signers.root];
    },
    async publishTargets() {
      const { versions, expires, targets, extra, delegations } = repository;
      versions.targets += 1;
      const signed = makeTargets({
        version: versions.targets,
        expires: expires.targets,
        signedAt: now,
        targets,
        extra,
        ...(delegations ? { delegations } : {}),
      });
      put(`${versions.targets}.targets.json`, await signMetadata(signed, signers.targets));
    },
    async publishRole(name, targets, signer) {
      const version = (delegated.get(name)?.version ?? 0) + 1;
      const text = await signMetadata(makeTargets({ version, expires: repository.expires.targets, targets }), [signer]);
      delegated.set(name, { version, text });
      put(`${version}.${encodeURIComponent(name)}.json`, text);
    },
    async publishSnapshot() {
      const { versions, expires } = repository;
      versions.snapshot += 1;
      const roles = [...delegated].map(([name, { version, text }]) => [`${name}.json`, metaFileOf(text, version)] as const);
      const meta = {
        "targets.json": metaFileOf(file(`${versions.targets}.targets.json`), versions.targets),
        ...Object.fromEntries(roles),
      };
      const signed = makeSnapshot({ version: versions.snapshot, expires: expires.snapshot, meta });
      put(`${versions.snapshot}.snapshot.json`, await signMetadata(signed, signers.snapshot));
    },
    async publishTimestamp() {
      const { versions, expires } = repository;
      versions.timestamp += 1;
      const snapshot = metaFileOf(file(`${versions.snapshot}.snapshot.json`), versions.snapshot);
      put(
        "timestamp.json",
        await signMetadata(makeTimestamp({ version: versions.timestamp, expires: expires.timestamp, snapshot }), signers.timestamp),
      );
    },
    async publish() {
      await repository.publishTargets();
      await repository.publishSnapshot();
      await repository.publishTimestamp();
    },
  };
  await repository.publishRoot();
  await repository.publish();
  return repository;
}
