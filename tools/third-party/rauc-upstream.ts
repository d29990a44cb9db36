/**
 * rauc-hawkbit-updater's own tests, as its makers wrote them, with Tenfold in hawkBit's place. They stand in a network of their own, where port
 * 8080 is free (their proxy knows no other), and run as nobody, because one of them wants a permission denied.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { copyFile, mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { RunningPlatform } from "../running-platform.ts";
import { startFront } from "./hawkbit/front.ts";
import { provide } from "./packages.ts";
import { provideSources } from "./rauc-hawkbit-updater.ts";
import { sh } from "./shell-device.ts";
import type { Counts } from "./steps.ts";

// As the tests set it (`pollingTime`).
export const env = { TENFOLD_DDI_POLLING: "30s", TENFOLD_ROLLOUT_TICK: "200ms" };

/** What these tests want of a server that Tenfold is not; docs/protocol/ddi.md says why. Any other failure is a failure. */
const excluded: Readonly<Record<string, string>> = {
  "test_basics.py::test_unsupported_multi_objects": "a release has one artifact, in one chunk (DDI 4.3)",
  "test_download.py::test_download_only": "an action that is done with the download: only a verified boot is an end here (DDI 8.1)",
  "test_download.py::test_download_only_with_auth_header": "as test_download_only",
  "test_download.py::test_download_only_without_auth_header": "as test_download_only",
  "test_download.py::test_download_speed_limit": "as test_download_only",
};

const mostMs = 900_000;
/** Debian's packages by the Python module, or the file, that shows that they are there. */
const packages: Readonly<Record<string, string>> = {
  "python3-pytest": "/usr/lib/python3/dist-packages/_pytest",
  "python3-attr": "/usr/lib/python3/dist-packages/attr",
  "python3-requests": "/usr/lib/python3/dist-packages/requests",
  "python3-pydbus": "/usr/lib/python3/dist-packages/pydbus",
  "python3-gi": "/usr/lib/python3/dist-packages/gi",
  "python3-pexpect": "/usr/lib/python3/dist-packages/pexpect",
  "libnginx-mod-http-lua": "/usr/lib/nginx/modules/ngx_http_lua_module.so",
  "libnginx-mod-http-ndk": "/usr/lib/nginx/modules/ndk_http_module.so",
};

export async function run(platform: RunningPlatform): Promise<Counts> {
  const provided = await provideTests(platform);
  if ("missing" in provided) {
    console.log(`- rauc-upstream: skipped, because ${provided.missing}`);
    return { passed: 0, failed: 0, skipped: 1 };
  }
  const socket = join(platform.dir, "front.sock");
  await using _front = await startFront(platform, { socket, ca: await readFile(platform.ca, "utf8") });
  const counts = await pytest({ tests: provided.tests, socket });
  for (const [test, why] of Object.entries(excluded)) console.log(`- rauc-upstream: ${test} is left out: ${why}`);
  if (counts.passed + counts.failed === 0) throw new Error("rauc-upstream: not one of the upstream tests ran");
  return counts;
}

/** The tests as they were committed, beside the program, in a folder that nobody can write to; or why there are none. */
async function provideTests({ dir }: RunningPlatform): Promise<{ tests: string } | { missing: string }> {
  if (process.getuid?.() !== 0) return { missing: "only root can give them a network of their own" };
  const absent = () => Object.keys(packages).filter((name) => !existsSync(packages[name] ?? ""));
  if (absent().length > 0) provide(absent());
  if (absent().length > 0) return { missing: `${absent().join(", ")} could not be installed` };
  const sources = await provideSources();
  if ("missing" in sources) return sources;
  const upstream = join(dir, "upstream");
  await mkdir(join(upstream, "build"), { recursive: true });
  const tar = join(dir, "upstream.tar");
  await sh("git", "-C", sources.source, "archive", "-o", tar, "HEAD", "test", "script", "src", "pytest.ini");
  await sh("tar", "xf", tar, "-C", upstream);
  await copyFile(sources.program, join(upstream, "build", "rauc-hawkbit-updater"));
  return { tests: join(upstream, "test") };
}

type Tests = { tests: string; socket: string };

/** Runs them, tells each one's end, and shows what pytest has to say where one failed. */
async function pytest({ tests, socket }: Tests): Promise<Counts> {
  const child = spawn("unshare", ["--net", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", script()], {
    cwd: tests,
    env: { ...process.env, SOCKET: socket },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const late = setTimeout(() => child.kill("SIGKILL"), mostMs);
  const counts = { passed: 0, failed: 0, skipped: Object.keys(excluded).length };
  const told: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    told.push(line);
    count(line, counts);
  }
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  clearTimeout(late);
  // Collected wrongly, or cut off: no test of its own says so.
  if (child.exitCode !== 0 && counts.failed === 0) counts.failed = 1;
  if (counts.failed > 0) console.log(told.join("\n"));
  return counts;
}

/** In a network, file system and process tree of their own: a way to the front where hawkBit would be, a place for nginx, and pytest as nobody. */
function script(): string {
  const relay = "socat TCP6-LISTEN:8080,ipv6only=0,reuseaddr,fork UNIX-CONNECT:$SOCKET";
  const asNobody = "setpriv --reuid=nobody --regid=nogroup --clear-groups env HOME=/nonexistent dbus-run-session --";
  const left = Object.keys(excluded).flatMap((test) => ["--deselect", `test/${test}`]);
  const pytest = ["/usr/bin/python3", "-B", "-m", "pytest", "-v", "-p", "no:cacheprovider", "--tb=short", ...left].join(" ");
  return `ip link set lo up && mount -t tmpfs -o mode=1777 none /var/lib/nginx && (${relay} &) && exec ${asNobody} ${pytest}`;
}

const marks = { PASSED: ["✓", "passed"], FAILED: ["✗", "failed"], ERROR: ["✗", "failed"], SKIPPED: ["-", "skipped"] } as const;

function count(line: string, counts: Required<Counts>): void {
  const [, test, end] = /^(\S+::.+?) (PASSED|FAILED|ERROR|SKIPPED)\b/.exec(line) ?? [];
  if (end === undefined) return;
  const [mark, kind] = marks[end as keyof typeof marks];
  counts[kind] += 1;
  console.log(`${mark} rauc-upstream: ${test}`);
}
