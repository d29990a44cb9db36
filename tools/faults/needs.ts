import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { onPath, provide } from "../third-party/packages.ts";
import type { Need } from "./fault.ts";

/** Programs that a package of Debian brings; `provide` installs them where it may. */
const programs = new Set<Need>(["strace", "faketime", "prlimit", "fallocate", "mkfs.ext4", "ip", "nft"]);

/** Why this machine cannot do what is needed; empty when it can. */
export function missing(needs: readonly Need[]): string[] {
  const absent = provide(needs.filter((need) => programs.has(need)));
  return [
    ...needs.flatMap((need) => machineLacks(need) ?? []),
    ...[...absent].map(([command, why]) => `${command} is missing: ${why}`),
  ];
}

function machineLacks(need: Need): string | undefined {
  if (need === "linux" && process.platform !== "linux") return `it reads /proc, which ${process.platform} has not`;
  if (need === "root" && process.getuid?.() !== 0)
    return "it mounts file systems, traces processes or makes network namespaces, which only root may";
  if (need === "loop" && !existsSync("/dev/loop-control")) return "the kernel has no loop devices";
  if (need === "loop" && onPath("losetup") && !loopIsFree()) return "no loop device is free";
  return undefined;
}

function loopIsFree(): boolean {
  try {
    execFileSync("losetup", ["-f"], { stdio: "ignore", timeout: 5_000 });
    return true;
  } catch {
    return false;
  }
}
