/** Signed metadata as a hostile mirror or server sends it: devices and servers read it before anybody has vouched for it. */
import { inspectMetadata, type MetadataSource, refresh, type StoredMetadata } from "@tenfold/ota";
import { createPretendRepository, type PretendRepository } from "@tenfold/testkit";
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

/** One file of the repository is not what it was; whatever comes, the verdict is a refusal with a reason, or the same statement as before. */
const followed = pure("metadata", 6, async () => {
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
  return new Set(files.map((file) => JSON.stringify((JSON.parse(file) as { signed: unknown }).signed)));
}

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

export const metadataTargets: Target[] = [followed, inspected];
