/**
 * The thief of docs/operate/signing.md, from end to end: he owns the server, its database and its online key, and wants a real agent to
 * install code that nobody signed, or to go back to a release below the floor. The signing folder is elsewhere; he has nothing of it.
 */
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { days } from "@tenfold/base";
import { api, type Deployment, type ReleaseStatement, type SignedRelease } from "@tenfold/contracts";
import {
  generateSigningKey,
  type MetadataSigner,
  makeRoot,
  makeSnapshot,
  makeTargets,
  makeTimestamp,
  metaFileOf,
  readPrivateKey,
  signMetadata,
  signRelease,
  statementHash,
  targetPath,
} from "@tenfold/ota";
import pg from "pg";
import { type ThrowAwayDatabase, throwAwayDatabase } from "../src/kernel/testing.ts";
import { openOnlineKey } from "../src/tuf/online-key.shell.ts";
import { startWorld, type World } from "./world.ts";

const script = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const [cli, agentMain] = [script("../../cli/src/main.ts"), script("../../agent/src/main.ts")];
const device = "box-1";

let database: ThrowAwayDatabase;
let world: World;
let folder: string;
let keys: string;
let thief: { sql: pg.Client; online: MetadataSigner };
let agent: AsyncDisposable & { log: () => string };
/** What the owner has signed: id of each registered release. */
const owned: Record<string, string> = {};

before(
  async () => {
    [database, folder] = [await throwAwayDatabase(), await mkdtemp(join(tmpdir(), "tenfold-thief-"))];
    world = await startWorld({ TENFOLD_DATABASE_URL: database.url, TENFOLD_ROLLOUT_TICK: "100ms" });
    keys = join(folder, "signer");
    await tenfold("tuf", "init", keys);
    await tenfold("tuf", "publish", keys);
    for (const [version, ...more] of [["1.3.0"], ["1.4.0"], ["1.5.0", "--security-floor", "1.4.0"]] as const)
      owned[version] = await publish(version, more);
    const sql = new pg.Client({ connectionString: database.url, query_timeout: 20_000 });
    await sql.connect();
    thief = { sql, online: await openOnlineKey({ dataDir: world.dataDir, keys: "file:" }) };
    agent = await startAgent();
  },
  { timeout: 300_000 },
);

after(async () => {
  await agent?.[Symbol.asyncDispose]();
  await thief?.sql.end();
  await world?.[Symbol.asyncDispose]();
  await database?.[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

async function tenfold(...words: string[]): Promise<string> {
  const env = { ...process.env, TENFOLD_URL: world.url, TENFOLD_TOKEN: world.token };
  return (await promisify(execFile)(process.execPath, [cli, ...words], { env, timeout: 60_000 })).stdout;
}

/** As the owner: signed by keys that the server has never seen, listed, uploaded and registered. */
async function publish(version: string, more: readonly string[]): Promise<string> {
  const path = join(folder, `box-${version}.bin`);
  await writeFile(path, `firmware ${version}\n`.repeat(200));
  const made = await tenfold("release", "create", path, "--tuf", keys, "--name", "box", "--version", version, ...more, "--json");
  return (JSON.parse(made) as { id: string }).id;
}

/** The real agent in a process of its own, which was made with the owner's roots. */
async function startAgent(): Promise<typeof agent> {
  const { code } = JSON.parse(await tenfold("enroll", "code", device, "--json")) as { code: string };
  const ca = join(folder, "ca.pem");
  await writeFile(ca, world.ca);
  const flags = {
    ...{ "--server": world.deviceUrl, "--mqtt-server": `mqtts://localhost:${world.mqttPort}`, "--ca": ca, "--device": device },
    ...{ "--code": code, "--model": "box", "--state": join(folder, "agent"), "--tuf-roots": join(keys, "roots.json") },
    ...{ "--firmware-version": "1.4.0", "--heartbeat": "500ms", "--telemetry": "1h" },
  };
  const child = spawn(process.execPath, [agentMain, ...Object.entries(flags).flat()], { stdio: ["ignore", "pipe", "pipe"] });
  let log = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (text) => (log += text));
  return {
    log: () => log,
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null) return;
      const ended = once(child, "exit");
      child.kill("SIGTERM");
      await ended;
    },
  };
}

async function until<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
  for (const deadline = Date.now() + 60_000; ; await wait(100)) {
    const found = await look();
    if (found !== undefined) return found;
    if (Date.now() > deadline) assert.fail(`${what}: not within a minute. The agent said:\n${agent.log().slice(-3_000)}`);
  }
}

const runs = async () => (await world.client.call(api.getDevice, { params: { id: device } })).firmware?.version;
const ended = (id: string) => async (): Promise<Deployment | undefined> => {
  const { items } = await world.client.call(api.listDeviceDeployments, { params: { id: device } });
  return items.find((one) => one.id === id && ["succeeded", "failed", "skipped", "rolled_back"].includes(one.state));
};

let forced = 0;
type Forced = { release: string; version: string; sha256: string; rollback?: boolean };

/** Writes an offer into the tables as if a rollout had decided it: no rule of the server's own has a say. Resolves to how it ended. */
async function force({ release, version, sha256, rollback = false }: Forced): Promise<Deployment> {
  forced += 1;
  const [rollout, deployment] = [`rol_forced_${forced}`, `dep_forced_${forced}`];
  const plan = JSON.stringify({ release, deadline: "PT5M", guards: { watch: [] } });
  await thief.sql.query(
    `insert into rollouts.rollout (fleet, id, release, release_name, release_version, release_sha256, plan, phase, because, since, targets, created_by, author, created_at, look_at)
     values ('main', $1, $2, 'box', $3, $4, $5::jsonb, $6, 'forced', now(), 1, 'nobody', 'nobody', now(), now())`,
    [rollout, release, version, sha256, plan, rollback ? "rolling_back" : "running"],
  );
  await thief.sql.query(
    `insert into rollouts.stage (fleet, rollout, index, share, devices, state) values ('main', $1, 0, 1, 1, 'running')`,
    [rollout],
  );
  await thief.sql.query(
    `insert into rollouts.deployment (fleet, id, rollout, device, rollback, stage, place, release, version, sha256, state, offered_at, deadline_at, updated_at)
     values ('main', $1, $2, $3, $4, 0, 0, $5, $6, $7, 'offered', now(), now() + interval '5 minutes', now())`,
    [deployment, rollout, device, rollback, release, version, sha256],
  );
  const how = await until(`${version} ended on ${device}`, ended(deployment));
  await thief.sql.query(`update rollouts.rollout set phase = 'cancelled', ended_at = now() where id = $1`, [rollout]);
  return how;
}

type Evil = Forced & { envelope: SignedRelease; size: number };

/** A release of the thief's own, in every table in which the server looks: key, bytes, release, and the list that it goes by. */
async function plant(version: string): Promise<Evil> {
  const bytes = Buffer.from(`malware ${version}\n`.repeat(100));
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  const headers = { "content-type": "application/octet-stream" };
  await world.client.raw("PUT", `/api/v1/artifacts/${sha256}`, { body: bytes, headers });
  const own = generateSigningKey();
  const statement: ReleaseStatement = {
    ...{ type: "tenfold.release.v1", name: "box", version, models: [], signedAt: "2026-01-02T03:04:05Z" },
    artifact: { sha256, size: bytes.length },
  };
  const envelope = signRelease(statement, readPrivateKey(own.privateKeyPem));
  const { sql } = thief;
  const [id, path] = [`rel_evil_${version}`, targetPath(statement)];
  await sql.query(
    `insert into releases.signing_key (fleet, keyid, name, public_key_pem, created_at) values ('main', $1, 'thief', $2, now())`,
    [own.keyid, own.publicKeyPem],
  );
  await sql.query(
    `insert into releases.release (fleet, id, name, version, models, sha256, size, envelope, signed_by, notes, created_at)
     values ('main', $1, 'box', $2, '{}', $3, $4, $5::json, array[$6], '', now())`,
    [id, version, sha256, bytes.length, JSON.stringify(envelope), own.keyid],
  );
  await sql.query(
    `insert into tuf.target (fleet, role, path, size, sha256, release_counter, statement) values ('main', 'targets', $1, $2, $3, 66, $4)`,
    [path, bytes.length, sha256, statementHash(statement)],
  );
  return { release: id, version, sha256, envelope, size: bytes.length };
}

const newest = async (role: string): Promise<{ version: number; metadata: string }> => {
  const { rows } = await thief.sql.query(
    `select version, metadata from tuf.file where repository = 'image' and role = $1 order by version desc limit 1`,
    [role],
  );
  return { version: Number(rows[0].version), metadata: rows[0].metadata };
};

async function putFile({ name, role, version, metadata }: { name: string; role: string; version: number; metadata: string }) {
  await thief.sql.query(
    `insert into tuf.file (fleet, repository, name, role, version, metadata, expires_at, created_at) values ('main', 'image', $1, $2, $3, $4, now() + interval '30 days', now())
     on conflict (fleet, repository, name) do update set metadata = excluded.metadata, version = excluded.version, expires_at = excluded.expires_at`,
    [name, role, version, metadata],
  );
}

/** A snapshot and a timestamp of whatever lies there, by the key that the thief does have: these signatures are good. */
async function signBelow(targets: { version: number; metadata: string }): Promise<void> {
  const expires = Date.now() + days(5);
  const version = Math.max((await newest("snapshot")).version, Math.floor(Date.now() / 1_000)) + 1;
  const meta = { "targets.json": metaFileOf(targets.metadata, targets.version) };
  const snapshot = await signMetadata(makeSnapshot({ version, expires, meta }), [thief.online]);
  await putFile({ name: `${version}.snapshot.json`, role: "snapshot", version, metadata: snapshot });
  const stamp = { version: (await newest("timestamp")).version + 1_000, expires, snapshot: metaFileOf(snapshot, version) };
  const timestamp = await signMetadata(makeTimestamp(stamp), [thief.online]);
  await putFile({ name: "timestamp.json", role: "timestamp", version: stamp.version, metadata: timestamp });
}

async function refused(how: Deployment, reasons: readonly string[]): Promise<void> {
  assert.equal(how.state, "failed", `${how.version} ended ${how.state}`);
  assert.ok(reasons.includes(how.reason ?? ""), `refused as ${how.reason}: ${how.detail}`);
  assert.equal(await runs(), "1.5.0", "the agent runs what it ran");
}

test("what the owner signed is installed: the agent is not merely deaf", { timeout: 180_000 }, async () => {
  await until("the agent is heard", async () => ((await runs().catch(() => undefined)) === "1.4.0" ? true : undefined));
  const body = { release: owned["1.5.0"] ?? "", stages: [{ share: 1 }], soak: "PT1S", deadline: "PT2M" };
  const { id } = await world.client.call(api.startRollout, { body });
  await until("1.5.0 was rolled out", async () => {
    const { phase, because } = await world.client.call(api.getRollout, { params: { id } });
    assert.ok(!["halted", "rolling_back", "rolled_back"].includes(phase), because);
    return phase === "completed" ? true : undefined;
  });
  assert.equal(await runs(), "1.5.0");
});

test("code that nobody signed: in the database as a release, its key trusted, listed, and directed by the online key", {
  timeout: 120_000,
}, async () => {
  await refused(await force(await plant("6.6.6")), ["metadata_target_missing", "metadata_repositories_disagree"]);
});

test("the same, with a list of releases that the thief signed with the key that he has", { timeout: 120_000 }, async () => {
  const evil = await plant("6.6.7");
  const before = await newest("targets");
  const version = before.version + 1;
  const custom = { hardwareIds: [], releaseCounter: 66, statement: statementHash(evil.envelope.signed) };
  const targets = { [targetPath(evil.envelope.signed)]: { length: evil.size, hashes: { sha256: evil.sha256 }, custom } };
  const metadata = await signMetadata(makeTargets({ version, expires: Date.now() + days(80), targets }), [thief.online]);
  await putFile({ name: `${version}.targets.json`, role: "targets", version, metadata });
  await signBelow({ version, metadata });
  await refused(await force(evil), ["metadata_signature_invalid"]);
  await thief.sql.query(`delete from tuf.file where repository = 'image' and role = 'targets' and version = $1`, [version]);
  // The agent has heard of that version, and believes no older one any more: the owner's next list ends the blockade.
  await tenfold("tuf", "renew", keys);
  await tenfold("tuf", "publish", keys);
});

test("a root of the thief's own, in which his key signs everything", { timeout: 120_000 }, async () => {
  const evil = await plant("6.6.8");
  const { version } = await newest("root");
  const own = { keys: [thief.online.key], threshold: 1 };
  const roles = { root: own, timestamp: own, snapshot: own, targets: own };
  const root = makeRoot({ version: version + 1, expires: Date.now() + days(365), signedAt: Date.now(), roles });
  const metadata = await signMetadata(root, [thief.online]);
  await putFile({ name: `${version + 1}.root.json`, role: "root", version: version + 1, metadata });
  await refused(await force(evil), ["metadata_signature_invalid"]);
  await thief.sql.query(`delete from tuf.file where repository = 'image' and role = 'root' and version = $1`, [version + 1]);
});

test("a downgrade: an old release that the owner did sign, called an update", { timeout: 120_000 }, async () => {
  await refused(await force(await known("1.4.0")), ["offer_downgrade_refused"]);
});

test("a downgrade below the floor that the owner signed, called a way back", { timeout: 120_000 }, async () => {
  await refused(await force({ ...(await known("1.3.0")), rollback: true }), ["offer_below_security_floor"]);
});

/** A release of the owner's, as the tables have it. */
async function known(version: string): Promise<Forced> {
  const { id, artifact } = await world.client.call(api.getRelease, { params: { id: owned[version] ?? "" } });
  return { release: id, version, sha256: artifact.sha256 };
}

test("after all that the agent has installed nothing but what its owner signed, and still takes what he signs", {
  timeout: 180_000,
}, async () => {
  const id = await publish("1.6.0", []);
  const body = { release: id, stages: [{ share: 1 }], soak: "PT1S", deadline: "PT2M" };
  const rollout = await world.client.call(api.startRollout, { body });
  await until("1.6.0 was rolled out", async () => {
    const { phase } = await world.client.call(api.getRollout, { params: { id: rollout.id } });
    return phase === "completed" ? true : undefined;
  });
  assert.equal(await runs(), "1.6.0");
  const slots = await readFile(join(folder, "agent", "slots", "a")).catch(() => Buffer.alloc(0));
  assert.ok(!slots.includes("malware"));
});
