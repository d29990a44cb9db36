import assert from "node:assert/strict";
import { createHash, sign } from "node:crypto";
import { test } from "node:test";
import { canonicalBytes } from "../../packages/ota/src/tuf/canonical.ts";
import {
  hashOf,
  type Members,
  type OldFile,
  type SuiteKey,
  signAnew,
  suiteKey,
  translateMeta,
  translateSigned,
} from "./dialect.ts";
import { judge, withoutFault } from "./judge.ts";
import { type Player, play, type Vector } from "./play.ts";
import type { OldRepository, OldStep } from "./translate.ts";

const keyOf = (n: number): SuiteKey => suiteKey(createHash("sha512").update(`seed ${n}`).digest("hex"));
const [rootKey, targetsKey, snapshotKey, timestampKey, spare] = [0, 1, 2, 3, 9].map(keyOf) as [
  SuiteKey,
  SuiteKey,
  SuiteKey,
  SuiteKey,
  SuiteKey,
];
const keys = new Map([rootKey, targetsKey, snapshotKey, timestampKey, spare].map((key) => [key.oldId, key]));
const player: Player = { keys, spare, device: "d1", model: "board", now: Date.UTC(2026, 0, 1) };

const content = Buffer.from("wat wat wat");
const ends = { expires: "2038-01-19T03:14:06Z", version: 1 };
const oldKey = ({ key }: SuiteKey) => ({ keytype: "ed25519", keyval: key.keyval });
const roleOf = ({ oldId }: SuiteKey) => ({ keyids: [oldId], threshold: 1 });
const signed = (said: Members, ...by: SuiteKey[]): OldFile => ({
  signed: said,
  signatures: by.map(({ oldId, privateKey }) => ({
    keyid: oldId,
    method: "ed25519",
    sig: sign(null, canonicalBytes(said), privateKey).toString("hex"),
  })),
});

/** A repository as the generator of the vectors writes one. `faults` take the place of what its files would say. */
function repository(kind: "director" | "image", faults: { root?: Members; targets?: Members; meta?: Members } = {}): OldRepository {
  const all = [rootKey, targetsKey, snapshotKey, timestampKey];
  const root = {
    ...{ _type: "Root", ...ends, consistent_snapshot: false, keys: Object.fromEntries(all.map((key) => [key.oldId, oldKey(key)])) },
    roles: {
      ...{ root: roleOf(rootKey), targets: roleOf(targetsKey) },
      ...(kind === "image" ? { snapshot: roleOf(snapshotKey), timestamp: roleOf(timestampKey) } : {}),
    },
    ...faults.root,
  };
  const custom = kind === "image" ? { hardwareIds: ["board"] } : { ecuIdentifiers: { d1: { hardwareId: "board" } } };
  const target = { length: content.length, hashes: { sha256: hashOf("sha256", content) }, custom };
  const targets = signed({ _type: "Targets", ...ends, targets: { "file.txt": target }, ...faults.targets }, targetsKey);
  const files = { "1.root": signed(root, rootKey), targets };
  const contents = { "file.txt": content.toString("base64") };
  if (kind === "director") return { files, contents, errors: [] };
  const snapshot = signed({ _type: "Snapshot", ...ends, meta: { "targets.json": { version: 1, ...faults.meta } } }, snapshotKey);
  const bytes = canonicalBytes(snapshot);
  const named = { version: 1, length: bytes.length, hashes: { sha256: hashOf("sha256", bytes) } };
  const timestamp = signed({ _type: "Timestamp", ...ends, meta: { "snapshot.json": named } }, timestampKey);
  return { files: { ...files, snapshot, timestamp }, contents, errors: [] };
}

const honest: OldStep = { director: repository("director"), image: repository("image") };
const vector = (...steps: OldStep[]): Vector => ({ name: "of_this_test", about: "", steps });
const endingsOf = async (...steps: OldStep[]) =>
  (await play(vector(...steps), player)).map((ending) => (ending.is === "refused" ? ending.because : ending.is));

test("what was whole in the old dialect is whole in today's, and its image is installed", async () => {
  assert.deepEqual(await endingsOf(honest, honest), ["installed", "installed"]);
});

test("a fault of the old file is the fault of the new one, and its only one", async () => {
  const director = (faults: Parameters<typeof repository>[1]) => endingsOf({ ...honest, director: repository("director", faults) });
  const image = (faults: Parameters<typeof repository>[1]) => endingsOf({ ...honest, image: repository("image", faults) });
  assert.deepEqual(await director({ root: { expires: "2017-01-01T00:00:00Z" } }), ["metadata_expired"]);
  assert.deepEqual(await director({ root: { _type: "invalidrole" } }), ["metadata_malformed"]);
  assert.deepEqual(await director({ targets: { targets: {} } }).catch(({ message }) => message), "No vector directs nothing.");
  assert.deepEqual(await image({ targets: { targets: {} } }), ["metadata_target_missing"]);
  assert.deepEqual(await image({ meta: { version: 2 } }), ["metadata_mismatch"]);
  assert.deepEqual(await image({ meta: { hashes: { sha256: "00".repeat(32) } } }), ["metadata_mismatch"]);
  const wrongName = { keys: { ["f0".repeat(32)]: oldKey(rootKey) } };
  assert.deepEqual(await image({ root: wrongName }), ["metadata_signature_invalid"]);
});

test("a signature that held holds again, one that did not does not, and two of one key stay two", () => {
  const file = signed({ _type: "Targets", ...ends, targets: {} }, targetsKey, targetsKey, rootKey);
  const [first, second, third] = file.signatures as [OldFile["signatures"][0], OldFile["signatures"][0], OldFile["signatures"][0]];
  const spoilt = { ...file, signatures: [first, second, { ...third, sig: first.sig }, { keyid: "nobody", sig: "00" }] };
  const now = translateSigned(file.signed, keys);
  const renewed = JSON.parse(signAnew(spoilt, now, keys)) as OldFile;
  const made = ({ privateKey }: SuiteKey) => sign(null, canonicalBytes(now), privateKey).toString("hex");
  assert.deepEqual(
    renewed.signatures.map(({ keyid }) => keyid),
    [targetsKey.id, targetsKey.id, rootKey.id, "nobody"],
  );
  assert.deepEqual(
    renewed.signatures.slice(0, 2).map(({ sig }) => sig),
    [made(targetsKey), made(targetsKey)],
  );
  assert.notEqual(renewed.signatures[2]?.sig, made(rootKey));
  assert.equal(renewed.signatures[2]?.sig.slice(1), made(rootKey).slice(1));
});

test("a length or hash that fitted the old file fits the new one, and a wrong one is as wrong as it was", () => {
  const old = signed({ _type: "Targets" }, targetsKey);
  const bytes = canonicalBytes(old);
  const right = { version: 1, length: bytes.length, hashes: { sha256: hashOf("sha256", bytes) } };
  const text = "the new file";
  const fits = { version: 1, length: text.length, hashes: { sha256: hashOf("sha256", Buffer.from(text)) } };
  assert.deepEqual(translateMeta(right, old, text), fits);
  const wrong = translateMeta({ ...right, length: bytes.length - 1, hashes: { sha256: "ab".repeat(32) } }, old, text);
  assert.equal(wrong.length, text.length - 1);
  assert.notDeepEqual(wrong.hashes, fits.hashes);
  assert.deepEqual(translateMeta(right, undefined, undefined), right);
});

test("a vector passes with the reason that its fault has here, and with no other", async () => {
  const expired = repository("director", { root: { expires: "2017-01-01T00:00:00Z" } });
  const played = async (errors: readonly string[]) => {
    const asked = vector({ ...honest, director: { ...expired, errors } });
    return judge(asked, await play(asked, player)).is;
  };
  assert.equal(await played(["ExpiredMetadata::Root"]), "passed");
  assert.equal(await played(["UnmetThreshold::Root"]), "failed");
  assert.equal(await played(["ExpiredMetadata::Targets"]), "failed", "another role's end is another fault");
  assert.equal(await played([]), "failed");
  await assert.rejects(played(["SomethingNew"]), /no reason of ours stands for: SomethingNew/);
});

test("without its fault a vector is installed: the honest repository stands in the faulty one's place, in the last step", async () => {
  const expired = { ...repository("image", { root: { expires: "2017-01-01T00:00:00Z" } }), errors: ["ExpiredMetadata::Root"] };
  const faulty = vector(honest, { ...honest, image: expired });
  assert.deepEqual(
    await endingsOf(...faulty.steps),
    ["installed", "installed"],
    "a root of the same version is not asked for again",
  );
  const alone = vector({ ...honest, image: expired });
  assert.deepEqual(await endingsOf(...alone.steps), ["metadata_expired"]);
  assert.deepEqual(await endingsOf(...(withoutFault(alone, honest)?.steps ?? [])), ["installed"]);
  assert.equal(withoutFault(vector(honest), honest), undefined);
});
