/** Signed metadata as a hostile mirror or server sends it: devices and servers read it before anybody has vouched for it. */
import {
  inspectMetadata,
  type MetadataSource,
  nextRoot,
  openTrusted,
  refresh,
  type Step,
  type StoredMetadata,
  type Trusted,
  topTargets,
  withSnapshot,
  withTargets,
  withTimestamp,
} from "@tenfold/ota";
import { createPretendRepository, newMetadataSigner, type PretendRepository } from "@tenfold/testkit";
import { mutate, pick, type Random } from "./mutate.ts";
import { pure, type Target } from "./target.ts";

const now = Date.UTC(2026, 5, 1);

async function repositoryOf(): Promise<PretendRepository> {
  const repository = await createPretendRepository({ now });
  repository.targets = {
    "pump/1.5.0": {
      length: 10,
      hashes: { sha256: "ab".repeat(32) },
      custom: { hardwareIds: ["pump-2"], releaseCounter: 5, statement: "cd".repeat(32), securityFloor: "1.2.0" },
    },
  };
  await repository.publish();
  return repository;
}

/** One spoiled file at the step of the workflow that reads it, with all before it believed already: a refusal with a reason, or the honest file. */
const steps = pure("metadata-step", 20, async () => {
  const repository = await repositoryOf();
  repository.signers.root.push(newMetadataSigner());
  await repository.publishRoot();
  const file = (name: string): Buffer => {
    const bytes = repository.files.get(name);
    if (bytes === undefined) throw new Error(`The repository has no ${name}.`);
    return bytes;
  };
  const opened = believed(openTrusted(file("1.root.json")));
  const rooted = believed(nextRoot(opened, file("2.root.json")));
  const timely = believed(withTimestamp(rooted, file("timestamp.json"), now));
  const listed = believed(withSnapshot(timely, file("2.snapshot.json"), now));
  const kinds: { honest: Buffer; read: (bytes: Buffer) => Step; of: (trusted: Trusted) => unknown }[] = [
    { honest: file("1.root.json"), read: openTrusted, of: ({ root }) => root.signed.members },
    { honest: file("2.root.json"), read: (bytes) => nextRoot(opened, bytes), of: ({ root }) => root.signed.members },
    {
      honest: file("timestamp.json"),
      read: (bytes) => withTimestamp(rooted, bytes, now),
      of: ({ timestamp }) => timestamp?.signed.members,
    },
    {
      honest: file("2.snapshot.json"),
      read: (bytes) => withSnapshot(timely, bytes, now),
      of: ({ snapshot }) => snapshot?.signed.members,
    },
    {
      honest: file("2.targets.json"),
      read: (bytes) => withTargets(listed, bytes, { now, by: topTargets(listed) }),
      of: ({ targets }) => targets.get("targets")?.signed.members,
    },
  ];
  const corpus = [...repository.files.values()];
  const known = signedOf(kinds.map(({ honest }) => honest.toString()));
  return (random) => {
    const { honest, read, of } = pick(random, kinds);
    const step = read(mutate(random, random() < 0.8 ? [honest] : corpus));
    if (step.is === "refuse" && (step.detail === "" || step.detail.length > 500))
      throw new Error(`refused without a usable reason: ${JSON.stringify(step)}`);
    if (step.is === "trusted" && !known.has(JSON.stringify(of(step.trusted))))
      throw new Error(`believed: ${JSON.stringify(of(step.trusted)).slice(0, 300)}`);
  };
});

function believed(step: Step): Trusted {
  if (step.is === "refuse") throw new Error(`the input to start from is refused: ${step.detail}`);
  return step.trusted;
}

/** One file of the repository is not what it was; whatever comes, the verdict is a refusal with a reason, or the same statement as before. */
const followed = pure("metadata", 2, async () => {
  const repository = await repositoryOf();
  const first = await refresh({ root: repository.root() }, repository.source, now);
  if (first.verdict.is === "refuse") throw new Error(`the input to start from is refused: ${first.verdict.detail}`);
  const honest = signedParts(first.stored);
  const names = [...repository.files.keys()];
  return async (random) => {
    const stored: StoredMetadata = random() < 0.5 ? { root: repository.root() } : first.stored;
    const { verdict, stored: after } = await refresh(
      stored,
      mirror(random, repository, pick(random, [...names, "2.root.json"])),
      now,
    );
    if (verdict.is === "refuse" && (verdict.detail === "" || verdict.detail.length > 500))
      throw new Error(`refused without a usable reason: ${JSON.stringify(verdict)}`);
    // What is kept was signed: nothing else may ever be in it.
    for (const part of signedParts(after)) if (!honest.has(part)) throw new Error(`believed: ${part.slice(0, 300)}`);
  };
});

function mirror(random: Random, repository: PretendRepository, spoiled: string): MetadataSource {
  return async (name, most) => {
    const honest = await repository.source(name, most);
    if (name !== spoiled) return honest;
    return mutate(random, [...repository.files.values()].slice(0, 4)).subarray(0, most + 1);
  };
}

/** What is said, apart from blanks and spare signatures around it. */
function signedParts({ root, timestamp, snapshot, targets = {} }: StoredMetadata): Set<string> {
  const files = [root, timestamp, snapshot, ...Object.values(targets ?? {})].filter((file) => file !== undefined);
  return signedOf(files);
}

const signedOf = (files: readonly string[]): Set<string> =>
  new Set(files.map((file) => JSON.stringify((JSON.parse(file) as { signed: unknown }).signed)));

/** What an operator or a pipeline uploads. */
const inspected = pure("metadata-upload", 4, async () => {
  const repository = await repositoryOf();
  const corpus = [...repository.files.values()];
  const kinds = ["root", "timestamp", "snapshot", "targets"] as const;
  return (random) => {
    const read = inspectMetadata(mutate(random, corpus).toString("utf8"), pick(random, kinds));
    if (read.is === "refuse" && read.detail === "") throw new Error("refused without a reason");
  };
});

export const metadataTargets: Target[] = [followed, steps, inspected];
