/**
 * Our updater behind the command line that tuf-conformance speaks (its CLIENT-CLI.md): `init`, `refresh`, `download`. Exit code 0 when
 * the metadata was believed, 1 when it was refused. What is believed lies in the metadata folder, a file a role.
 */
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { TargetFile } from "../../packages/ota/src/tuf/metadata.ts";
import { hashesFit } from "../../packages/ota/src/tuf/trusted.ts";
import { findTarget, type MetadataSource, refresh, type StoredMetadata } from "../../packages/ota/src/tuf/updater.ts";

const text = { type: "string" } as const;
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    "metadata-dir": text,
    "metadata-url": text,
    "target-name": { type: "string", multiple: true },
    "target-base-url": text,
    "target-dir": text,
  },
});
const folder = values["metadata-dir"] ?? "";
const [command, rootFile = ""] = positionals;

/** A delegated role's name may hold anything: it is escaped for its file, as it is for its address. */
const fileOf = (role: string) => join(folder, `${encodeURIComponent(role)}.json`);
const stored = (role: string) => (existsSync(fileOf(role)) ? readFileSync(fileOf(role), "utf8") : undefined);

function load(): StoredMetadata {
  const roles = readdirSync(folder).map((name) => decodeURIComponent(name.replace(/\.json$/, "")));
  const targets = roles.filter((role) => !["root", "timestamp", "snapshot"].includes(role));
  const [timestamp, snapshot] = [stored("timestamp"), stored("snapshot")];
  return {
    root: stored("root") ?? "",
    ...(timestamp === undefined ? {} : { timestamp }),
    ...(snapshot === undefined ? {} : { snapshot }),
    targets: Object.fromEntries(targets.map((role) => [role, stored(role) ?? ""])),
  };
}

function save({ targets, ...top }: StoredMetadata): void {
  for (const [role, file] of Object.entries({ ...targets, ...top }))
    if (file !== undefined && stored(role) !== file) writeFileSync(fileOf(role), file);
}

const under = (base = "", name: string) => `${base.replace(/\/$/, "")}/${name}`;

const source: MetadataSource = async (name, maxBytes) => {
  const answer = await fetch(under(values["metadata-url"], name));
  if (answer.status === 404 || answer.status === 403) return void (await answer.body?.cancel());
  if (!answer.ok) throw new Error(`${name} was answered with ${answer.status}.`);
  return atMost(answer, maxBytes + 1);
};

/** At most this many bytes: endless data ends here. */
async function atMost(answer: Response, most: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of answer.body ?? []) {
    chunks.push(chunk);
    size += chunk.byteLength;
    if (size >= most) break;
  }
  return Buffer.concat(chunks).subarray(0, most);
}

async function run(): Promise<void> {
  if (command === "init") return copyFileSync(rootFile, fileOf("root"));
  const now = Date.now();
  const before = load();
  const refreshed = await refresh(before, source, now);
  save(refreshed.stored);
  if (refreshed.verdict.is === "refuse") throw new Error(`${refreshed.verdict.because}: ${refreshed.verdict.detail}`);
  if (command !== "download") return;
  let { trusted } = refreshed.verdict;
  let kept = refreshed.stored;
  for (const path of values["target-name"] ?? []) {
    const found = await findTarget(path, { trusted, stored: kept, source, now });
    ({ trusted, stored: kept } = found);
    save(kept);
    if (found.verdict.is === "refuse") throw new Error(`${found.verdict.because}: ${found.verdict.detail}`);
    const { consistentSnapshot } = trusted.root.signed;
    await download(path, found.verdict.target.file, { consistentSnapshot });
  }
}

async function download(path: string, file: TargetFile, { consistentSnapshot }: { consistentSnapshot: boolean }): Promise<void> {
  const place = join(values["target-dir"] ?? "", encodeURIComponent(path));
  if (existsSync(place) && fits(readFileSync(place), file)) return;
  const [name = "", ...folders] = path.split("/").reverse();
  const hash = file.hashes.sha256 ?? file.hashes.sha512;
  const address = [...folders.reverse(), consistentSnapshot ? `${hash}.${name}` : name].join("/");
  const answer = await fetch(under(values["target-base-url"], address));
  if (!answer.ok) throw new Error(`${address} was answered with ${answer.status}.`);
  const bytes = await atMost(answer, file.length + 1);
  if (!fits(bytes, file)) throw new Error(`${path} is not the file that was signed for.`);
  mkdirSync(values["target-dir"] ?? "", { recursive: true });
  writeFileSync(place, bytes);
}

const fits = (bytes: Uint8Array, { length, hashes }: TargetFile) => bytes.byteLength === length && hashesFit(bytes, hashes);

try {
  await run();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
