/**
 * `npm run test:third-party [-- NAME …]`: clients that others wrote, against a running platform. Installs Debian packages where it may;
 * what cannot run is named with the reason. Ends with `N passed, N failed, N skipped`.
 */

import { type RunningPlatform, runPlatform } from "./running-platform.ts";
import { provide } from "./third-party/packages.ts";
import type { Counts } from "./third-party/steps.ts";

type Suite = { name: string; commands: string[]; load: () => Promise<Loaded> };
/** `env`: settings that the suite's platform runs with. `runAlone`: it starts what it needs by itself. */
type Loaded =
  | { run: (platform: RunningPlatform) => Promise<Counts>; env?: Record<string, string> }
  | { runAlone: () => Promise<Counts> };

const suites: Suite[] = [
  { name: "est", commands: ["openssl", "curl"], load: () => import("./third-party/est.ts") },
  { name: "mosquitto", commands: ["openssl", "curl", "mosquitto_pub"], load: () => import("./third-party/mosquitto.ts") },
  {
    name: "hardware",
    commands: ["openssl", "softhsm2-util", "pkcs11-tool", "p11-kit", "swtpm", "swtpm_setup", "tpm2_createprimary"],
    load: () => import("./third-party/hardware.ts"),
  },
  { name: "swupdate", commands: ["openssl", "curl", "cpio", "swupdate"], load: () => import("./third-party/swupdate.ts") },
  { name: "rauc", commands: ["openssl", "curl", "rauc", "mksquashfs", "dbus-daemon"], load: () => import("./third-party/rauc.ts") },
  {
    name: "rauc-upstream",
    commands: ["openssl", "curl", "git", "ip", "socat", "setpriv", "unshare", "dbus-run-session", "nginx", "python3"],
    load: () => import("./third-party/rauc-upstream.ts"),
  },
  {
    name: "zephyr",
    commands: ["openssl", "curl", "ip", "socat", "dnsmasq", "cmake", "ninja", "dtc", "gperf", "python3"],
    load: () => import("./third-party/zephyr.ts"),
  },
  {
    name: "installers",
    commands: ["openssl", "rauc", "mksquashfs", "dbus-daemon", "busctl", "swupdate", "cpio", "fw_setenv"],
    load: () => import("./third-party/installers.ts"),
  },
  { name: "tuf", commands: [], load: () => import("./third-party/tuf.ts") },
  { name: "ci", commands: [], load: () => import("./third-party/ci.ts") },
  { name: "replay", commands: [], load: () => import("./third-party/replay.ts") },
  { name: "cluster", commands: ["nats-server", "ip"], load: () => import("./third-party/cluster.ts") },
  { name: "deploy", commands: ["go", "promtool", "systemd-analyze"], load: () => import("./third-party/deploy.ts") },
  { name: "s3", commands: ["go"], load: () => import("./third-party/s3.ts") },
  { name: "console", commands: ["chromium"], load: () => import("./third-party/console.ts") },
];

const wanted = process.argv.slice(2).filter((word) => !word.startsWith("-"));
const total = { passed: 0, failed: 0, skipped: 0 };
for (const { name, commands, load } of suites.filter((suite) => wanted.length === 0 || wanted.includes(suite.name))) {
  const missing = provide(commands);
  if (missing.size > 0) {
    total.skipped += 1;
    console.log(`- ${name}: skipped, because ${[...missing].map(([command, why]) => `${command} is missing: ${why}`).join("; ")}`);
    continue;
  }
  const suite = await load();
  const counts = "runAlone" in suite ? await suite.runAlone() : await withPlatform(suite);
  total.passed += counts.passed;
  total.failed += counts.failed;
  total.skipped += counts.skipped ?? 0;
}
async function withPlatform({ run, env }: Exclude<Loaded, { runAlone: unknown }>): Promise<Counts> {
  await using platform = await runPlatform(env);
  // Awaited here: the platform ends with this function.
  return await run(platform);
}

console.log(`\n${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exit(total.failed === 0 && total.passed > 0 ? 0 : 1);
