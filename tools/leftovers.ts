/**
 * What a killed run of these tools leaves in the machine: network namespaces, bridges, mounts. Each bears the number of the process that made it, so that
 * the next run takes away what belongs to none that lives, and nothing else.
 */
import { execFileSync } from "node:child_process";
import { isGone, mountPoints } from "@tenfold/testkit";

/** Names of ours: `tenfold-1234-0` and `tf1234x56` (namespaces), `tfb1234` (bridge), `tfo1234-0` and `tf1234x56o` (wires). */
export const ownerOf = (name: string): number | undefined => {
  const [, pid] = /^(?:tenfold-(\d+)-\d+|tf[bo]?(\d+)(?:[-x]\d+)?o?)$/.exec(name)?.filter(Boolean) ?? [];
  return pid === undefined ? undefined : Number(pid);
};

const isLeft = (name: string): boolean => {
  const owner = ownerOf(name);
  return owner !== undefined && isGone(owner);
};

/** Says what it took away. */
export function sweepLeftovers(): string[] {
  const namespaces = names(["netns", "list"], /^(\S+)/).filter(isLeft);
  for (const name of namespaces) act("ip", "netns", "del", name);
  // The ends of wires into a namespace go with it.
  const links = names(["-o", "link"], /^\d+: ([^:@]+)/).filter(isLeft);
  for (const name of links) act("ip", "link", "del", name);
  const mounts = mountPoints().filter((point) => {
    const owner = /\/tenfold-fault-(\d+)-/.exec(point)?.[1];
    return owner !== undefined && isGone(Number(owner));
  });
  for (const point of mounts) act("umount", "-l", point);
  return [...namespaces, ...links, ...mounts];
}

function names(words: string[], pattern: RegExp): string[] {
  try {
    return execFileSync("ip", words, { encoding: "utf8", timeout: 10_000, stdio: ["ignore", "pipe", "ignore"] })
      .split("\n")
      .flatMap((line) => pattern.exec(line)?.[1] ?? []);
  } catch {
    return [];
  }
}

function act(program: string, ...words: string[]): void {
  try {
    execFileSync(program, words, { stdio: "ignore", timeout: 10_000 });
  } catch {
    // Gone already, or not ours to take away.
  }
}
