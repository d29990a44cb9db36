import { execFileSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

/** Debian packages by the command that shows that they are there. */
const packageOf: Record<string, string> = {
  openssl: "openssl",
  curl: "curl",
  mosquitto_pub: "mosquitto-clients",
  mosquitto: "mosquitto",
  chromium: "chromium",
  mksquashfs: "squashfs-tools",
  "dbus-daemon": "dbus-daemon",
  "dbus-run-session": "dbus-daemon",
  nginx: "nginx-light",
  setpriv: "util-linux",
  unshare: "util-linux",
  busctl: "systemd",
  fw_setenv: "libubootenv-tool",
  "softhsm2-util": "softhsm2 libengine-pkcs11-openssl",
  "pkcs11-tool": "opensc",
  "p11-kit": "p11-kit p11-kit-modules",
  swtpm: "swtpm",
  swtpm_setup: "swtpm-tools",
  tpm2_createprimary: "tpm2-tools tpm2-openssl",
  pki: "strongswan-pki libstrongswan-standard-plugins libstrongswan-extra-plugins",
  strace: "strace",
  cc: "gcc libc6-dev",
  dnsmasq: "dnsmasq-base",
  dtc: "device-tree-compiler gcc-multilib",
  ninja: "ninja-build",
  meson: "meson ninja-build",
  faketime: "faketime",
  prlimit: "util-linux",
  fallocate: "util-linux",
  "nats-server": "nats-server",
  go: "golang-go",
  promtool: "prometheus",
  "systemd-analyze": "systemd",
  "mkfs.ext4": "e2fsprogs",
  ip: "iproute2",
  nft: "nftables",
};

export const onPath = (command: string): boolean =>
  (process.env.PATH ?? "").split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, command), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });

/** Installs what is missing where that is possible (Debian, root); returns the commands that still are not there, each with the reason. */
export function provide(commands: readonly string[]): Map<string, string> {
  const missing = commands.filter((command) => !onPath(command));
  if (missing.length === 0) return new Map();
  const packages = missing.flatMap((command) => (packageOf[command] ?? command).split(" "));
  if (process.getuid?.() !== 0 || !onPath("apt-get"))
    return new Map(
      missing.map((command) => [command, `install the Debian package ${packageOf[command]} (only root can do that from here)`]),
    );
  console.log(`installing ${packages.join(", ")} …`);
  try {
    execFileSync("apt-get", ["update", "-q"], { stdio: "ignore", timeout: 120_000 });
    execFileSync("apt-get", ["install", "-y", "-q", "--no-install-recommends", ...packages], {
      stdio: "ignore",
      timeout: 600_000,
      env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
    });
  } catch {
    // What is still missing is said below, by name.
  }
  return new Map(
    missing.filter((command) => !onPath(command)).map((command) => [command, `apt-get could not install ${packageOf[command]}`]),
  );
}
