import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { test } from "node:test";
import { days } from "@tenfold/base";
import { createPretendRepository, newMetadataSigner, type PretendRepository } from "@tenfold/testkit";
import { addSignatures, findTarget, metadataSigner, refresh, type StoredMetadata, signMetadata, tufKeyId } from "../index.ts";

const now = Date.UTC(2026, 5, 1);
const image = { length: 10, hashes: { sha256: "ab".repeat(32) } };

async function scene() {
  const repository = await createPretendRepository({ now });
  repository.targets = { "pump/1.0.0": image };
  await repository.publish();
  return repository;
}

const begin = (repository: PretendRepository): StoredMetadata => ({ root: repository.root() });

/** One refresh from what is stored: how it ended, and what is stored then. */
async function run(repository: PretendRepository, stored = begin(repository), at = now) {
  const { verdict, stored: next } = await refresh(stored, repository.source, at);
  return {
    is: verdict.is === "refuse" ? verdict.because : verdict.is,
    detail: verdict.is === "refuse" ? verdict.detail : "",
    stored: next,
  };
}

/** Changes a published file without signing it anew. */
function tamper(repository: PretendRepository, name: string, change: (text: string) => string): void {
  repository.files.set(name, Buffer.from(change(repository.files.get(name)?.toString() ?? "")));
}

async function resign(
  repository: PretendRepository,
  name: string,
  change: (signed: Record<string, unknown>) => void,
): Promise<void> {
  const { signed } = JSON.parse(repository.files.get(name)?.toString() ?? "");
  change(signed);
  const role = name.replace(/^\d+\./, "").replace(".json", "") as "root";
  repository.files.set(name, Buffer.from(await signMetadata(signed, repository.signers[role])));
}

test("a client follows a repository from its first root to its targets, and asks for nothing twice", async () => {
  const repository = await scene();
  const first = await run(repository);
  assert.equal(first.is, "fresh");
  assert.deepEqual(repository.asked, ["2.root.json", "timestamp.json", "2.snapshot.json", "2.targets.json"]);
  repository.asked.length = 0;
  assert.equal((await run(repository, first.stored)).is, "fresh");
  assert.deepEqual(repository.asked, ["2.root.json", "timestamp.json"]);
});

test("what is stored is letter for letter what was served", async () => {
  const repository = await scene();
  tamper(repository, "timestamp.json", (text) => ` ${text}\n`);
  const { stored } = await run(repository);
  assert.equal(stored.timestamp, repository.files.get("timestamp.json")?.toString());
});

test("root rotation is followed key by key, a root signed by only one side of it is not", async () => {
  const repository = await scene();
  const { stored } = await run(repository);
  for (let i = 0; i < 3; i++) {
    repository.signers.root.splice(0, 1, newMetadataSigner(i === 1 ? "p256" : "ed25519"));
    await repository.publishRoot();
  }
  const after = await run(repository, stored);
  assert.equal(after.is, "fresh");
  const thief = newMetadataSigner();
  const before = repository.signers.root.splice(0, 1, thief);
  await repository.publishRoot([thief]);
  assert.equal((await run(repository, after.stored)).is, "metadata_signature_invalid");
  repository.versions.root -= 1;
  await repository.publishRoot(before);
  assert.equal((await run(repository, after.stored)).is, "metadata_signature_invalid");
});

test("a root that skips a version or repeats one is refused", async () => {
  const repository = await scene();
  repository.versions.root += 1;
  await repository.publishRoot();
  repository.files.set("2.root.json", repository.files.get("3.root.json") ?? Buffer.alloc(0));
  assert.equal((await run(repository)).is, "metadata_rollback");
});

for (const role of ["timestamp", "snapshot", "targets"] as const) {
  test(`arbitrary software: a ${role} file that its keys did not sign is refused`, async () => {
    const repository = await scene();
    const own = repository.signers[role].splice(0, 1, newMetadataSigner());
    await repository.publish();
    const { is, stored } = await run(repository);
    assert.equal(is, "metadata_signature_invalid");
    repository.signers[role].splice(0, 1, ...own);
    await repository.publish();
    assert.equal((await run(repository, stored)).is, "fresh");
  });

  test(`freeze: a ${role} that has ended is refused from that second on, also when it is the one that is stored`, async () => {
    const repository = await scene();
    repository.expires[role] = now + 60_000;
    await repository.publish();
    const { is, stored } = await run(repository);
    assert.equal(is, "fresh");
    assert.equal((await run(repository, stored, now + 59_000)).is, "fresh");
    assert.equal((await run(repository, stored, now + 60_000)).is, "metadata_expired");
    assert.equal((await run(repository, begin(repository), now + 60_000)).is, "metadata_expired");
  });

  test(`rollback: an older ${role} is refused although its signature is good`, async () => {
    const repository = await scene();
    const { stored } = await run(repository);
    repository.versions[role] -= 2;
    if (role === "targets") await repository.publishTargets();
    if (role !== "timestamp") await repository.publishSnapshot();
    await repository.publishTimestamp();
    assert.equal((await run(repository, stored)).is, "metadata_rollback");
  });
}

test("freeze: a root that has ended stops everything, unless a newer one is there", async () => {
  const repository = await scene();
  repository.expires.timestamp = repository.expires.snapshot = repository.expires.targets = now + days(2_000);
  await repository.publish();
  const { stored } = await run(repository);
  assert.equal((await run(repository, stored, now + days(366))).is, "metadata_expired");
  repository.expires.root = now + days(700);
  await repository.publishRoot();
  assert.equal((await run(repository, stored, now + days(366))).is, "fresh");
});

test("mix and match: a file that was signed, but not the one that is named, is refused", async () => {
  const repository = await scene();
  const signedBefore = repository.files.get("2.targets.json") ?? Buffer.alloc(0);
  await repository.publish();
  repository.files.set("3.targets.json", signedBefore);
  assert.equal((await run(repository)).is, "metadata_mismatch");
});

test("mix and match: a role that vanishes from the snapshot is refused", async () => {
  const repository = await scene();
  const team = newMetadataSigner();
  await repository.publishRole("team", {}, team);
  await repository.publish();
  const { stored } = await run(repository);
  await repository.publishSnapshot();
  await resign(repository, "4.snapshot.json", (signed) => delete (signed.meta as Record<string, unknown>)["team.json"]);
  await repository.publishTimestamp();
  assert.equal((await run(repository, stored)).is, "metadata_rollback");
});

test("endless data: a file longer than its length, or than any may be, is not read further", async () => {
  const repository = await scene();
  repository.files.set("timestamp.json", Buffer.alloc(1_000_000, " "));
  const { is, detail } = await run(repository);
  assert.deepEqual([is, detail], ["metadata_too_large", "timestamp has more than the 16384 bytes that are read of it."]);
  await repository.publishTimestamp();
  tamper(repository, "2.targets.json", (text) => text + " ".repeat(10_000));
  assert.equal((await run(repository)).is, "metadata_too_large");
});

test("fast-forward: versions that a thief drove up fall back when their keys are taken away", async () => {
  const repository = await scene();
  repository.versions.timestamp = repository.versions.snapshot = repository.versions.targets = 2 ** 31;
  await repository.publish();
  const { stored, is } = await run(repository);
  assert.equal(is, "fresh");
  Object.assign(repository.versions, { timestamp: 4, snapshot: 4, targets: 4 });
  await repository.publish();
  assert.equal((await run(repository, stored)).is, "metadata_rollback");
  repository.signers.timestamp.splice(0, 1, newMetadataSigner());
  repository.signers.snapshot.splice(0, 1, newMetadataSigner());
  await repository.publishRoot();
  await repository.publish();
  assert.equal((await run(repository, stored)).is, "fresh");
});

test("a threshold is met by different keys only, not by one key under two names or with two signatures", async () => {
  const repository = await scene();
  repository.thresholds.targets = 2;
  await repository.publishRoot();
  const root = "2.root.json";
  const [signer] = repository.signers.targets;
  assert.ok(signer);
  await resign(repository, root, (signed) => {
    const keys = signed.keys as Record<string, unknown>;
    keys.alias = keys[tufKeyId(signer.key)];
    (signed.roles as { targets: { keyids: string[] } }).targets.keyids.push("alias");
  });
  await repository.publish();
  const name = `${repository.versions.targets}.targets.json`;
  tamper(repository, name, (text) => {
    const file = JSON.parse(text);
    file.signatures.push({ keyid: "alias", sig: file.signatures[0].sig });
    return JSON.stringify(file);
  });
  repository.versions.targets -= 1;
  // The snapshot names the doctored file, so that nothing but the threshold can refuse it.
  repository.versions.targets += 1;
  await repository.publishSnapshot();
  await repository.publishTimestamp();
  const { is, detail } = await run(repository);
  assert.deepEqual([is, detail], ["metadata_signature_invalid", "targets 3 is signed by 1 of the 2 keys that it needs."]);
});

test("two signatures under one key id are refused whole", async () => {
  const repository = await scene();
  tamper(repository, "timestamp.json", (text) => {
    const file = JSON.parse(text);
    return JSON.stringify({ ...file, signatures: [...file.signatures, ...file.signatures] });
  });
  assert.equal((await run(repository)).is, "metadata_malformed");
});

test("a second signer meets a threshold, in whatever order they sign", async () => {
  const repository = await scene();
  const second = newMetadataSigner("p256");
  repository.signers.targets.push(second);
  repository.thresholds.targets = 2;
  await repository.publishRoot();
  await repository.publish();
  assert.equal((await run(repository)).is, "fresh");
  const name = `${repository.versions.targets}.targets.json`;
  const [first] = repository.signers.targets;
  assert.ok(first);
  const { signed } = JSON.parse(repository.files.get(name)?.toString() ?? "");
  const alone = await signMetadata(signed, [second]);
  assert.equal(
    await addSignatures(await addSignatures(alone, [first]), [second]).then((text) => JSON.parse(text).signatures.length),
    2,
  );
});

test("metadata that means two things, or nothing, is malformed", async () => {
  const changes: Record<string, (text: string) => string> = {
    "a name twice": (text) => text.replace('"version":', '"version":9,"version":'),
    "a version that is no whole number": (text) => text.replace(/"version":\d+}}$/, '"version":1.5}}'),
    "an end that is no date": (text) => text.replace(/"expires":"[^"]+"/, '"expires":"not-a-date"'),
    "another role": (text) => text.replace('"_type":"timestamp"', '"_type":"snapshot"'),
    "another major version of the standard": (text) => text.replace('"spec_version":"1.0.31"', '"spec_version":"2.0.0"'),
    "no JSON": (text) => text.slice(1),
    "nesting without end": (text) =>
      text.replace('{"signatures"', `{"x":${"[".repeat(200_000)}${"]".repeat(200_000)},"signatures"`).slice(0, 16_000),
    "no UTF-8": () => "\uD800",
  };
  for (const [what, change] of Object.entries(changes)) {
    const repository = await scene();
    tamper(repository, "timestamp.json", change);
    assert.equal((await run(repository)).is, "metadata_malformed", what);
  }
});

test("no changed byte of a signed file is believed as something else", async () => {
  const repository = await scene();
  const { stored } = await run(repository);
  const whole = repository.files.get("timestamp.json") ?? Buffer.alloc(0);
  await repository.publishTimestamp();
  const next = repository.files.get("timestamp.json") ?? Buffer.alloc(0);
  for (let at = 0; at < whole.length; at += 1) {
    const changed = Buffer.from(next);
    changed[at] = (changed[at] ?? 0) ^ 1;
    repository.files.set("timestamp.json", changed);
    const { is, stored: after } = await run(repository, stored);
    // A changed blank or an unused signature would be the same statement; here is neither.
    if (is === "fresh")
      assert.deepEqual(JSON.parse(after.timestamp ?? "").signed, JSON.parse(next.toString()).signed, `byte ${at}`);
  }
});

test("what was refused is not kept, what was believed before it is", async () => {
  const repository = await scene();
  const { stored } = await run(repository);
  await repository.publish();
  repository.files.delete("3.targets.json");
  const { is, stored: after } = await run(repository, stored);
  assert.equal(is, "metadata_missing");
  assert.deepEqual(after.targets, stored.targets);
  assert.equal(JSON.parse(after.snapshot ?? "").signed.version, 3);
});

test("a delegated team signs for its own paths and for no others", async () => {
  const repository = await scene();
  const [pumps, valves] = [newMetadataSigner(), newMetadataSigner()];
  const role = (name: string, signer: typeof pumps) => ({
    name,
    terminating: true,
    paths: [`${name}/*`],
    keys: [signer.key],
    threshold: 1,
  });
  repository.delegations = [role("pumps", pumps), role("valves", valves)];
  await repository.publishRole("pumps", { "pumps/2.0.0": image, "valves/9.9.9": image }, pumps);
  await repository.publishRole("valves", { "valves/1.0.0": image }, valves);
  await repository.publish();
  const { verdict, stored } = await refresh(begin(repository), repository.source, now);
  assert.ok(verdict.is === "fresh");
  const search = async (path: string) => {
    const found = await findTarget(path, { trusted: verdict.trusted, stored, source: repository.source, now });
    return found.verdict.is === "found" ? found.verdict.target.by.role.name : found.verdict.because;
  };
  assert.equal(await search("pumps/2.0.0"), "pumps");
  assert.equal(await search("valves/1.0.0"), "valves");
  assert.equal(await search("valves/9.9.9"), "metadata_target_missing");
  assert.equal(await search("pump/1.0.0"), "targets");
});

// `bench -- director` measures the time; a cost that grew with the square of the list would take hours here and end at the run's limit.
test("a list of a hundred thousand targets is parsed, checked and looked through", async () => {
  const repository = await createPretendRepository({ now });
  const entry = { custom: { hardwareIds: ["pump-2"], releaseCounter: 7, statement: "cd".repeat(32) }, ...image };
  repository.targets = Object.fromEntries(Array.from({ length: 100_000 }, (_, i) => [`pump/${i}.0.0`, entry]));
  await repository.publish();
  const { verdict, stored } = await refresh(begin(repository), repository.source, now);
  assert.ok(verdict.is === "fresh");
  const search = (path: string) => findTarget(path, { trusted: verdict.trusted, stored, source: repository.source, now });
  assert.equal((await search("pump/99999.0.0")).verdict.is, "found");
  assert.equal((await search("pump/100000.0.0")).verdict.is, "refuse");
});

test("keys of other kinds sign nothing", () => {
  assert.throws(() => metadataSigner(generateKeyPairSync("rsa", { modulusLength: 2_048 }).privateKey), {
    code: "signing_key_unsupported",
  });
});
