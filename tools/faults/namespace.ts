import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { endsWithUs } from "@tenfold/testkit";
import type { Stage } from "./fault.ts";

/** What the wire between devices and platform does to packets. `deaf`: what devices send is lost; `mute`: what the platform sends is lost. */
export type Wire = "whole" | "cut" | "deaf" | "mute" | "lossy";

export type Namespace = {
  /** Where devices reach the platform, over the wire. */
  host: string;
  port: number;
  /** Packets are dropped without a word: no reset, no ICMP, as a dead router does it. */
  set(wire: Wire): void;
};

const forwarder = fileURLToPath(new URL("forwarder.mjs", import.meta.url));
const rules: Readonly<Record<Wire, string[]>> = {
  whole: [],
  cut: ["input drop", "output drop"],
  deaf: ["output drop"],
  mute: ["input drop"],
  lossy: ["input numgen random mod 100 < 30 drop", "output numgen random mod 100 < 30 drop"],
};

/**
 * A network namespace behind a real wire (a veth pair), with a forwarder in it: devices of this process reach the platform's `port` only across
 * that wire. It and its addresses exist in this machine alone and go with the stage.
 */
export async function makeNamespace(stage: Stage, target: number): Promise<Namespace> {
  const name = `tf${process.pid}x${Math.floor(stage.random() * 1_000)}`;
  const net = `10.213.${Math.floor(stage.random() * 250)}`;
  const [outside, inside] = [`${net}.1`, `${net}.2`];
  const ip = (...words: string[]) => execFileSync("ip", words, { stdio: ["ignore", "ignore", "pipe"], timeout: 10_000 });
  const within = (...words: string[]) => ["netns", "exec", name, ...words];
  ip("netns", "add", name);
  stage.onEnd(() => void ip("netns", "del", name));
  ip("link", "add", `${name}o`, "type", "veth", "peer", "name", `${name}i`, "netns", name);
  ip("addr", "add", `${outside}/24`, "dev", `${name}o`);
  ip("link", "set", `${name}o`, "up");
  ip("-n", name, "addr", "add", `${inside}/24`, "dev", `${name}i`);
  ip("-n", name, "link", "set", `${name}i`, "up");
  ip("-n", name, "link", "set", "lo", "up");
  const port = 18_883;
  const forward = ["ip", ...within(process.execPath, forwarder, inside, String(port), outside, String(target))];
  const [program = "ip", ...words] = [...endsWithUs("KILL"), ...forward];
  const child = spawn(program, words, {
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  stage.onEnd(() => void child.kill("SIGKILL"));
  await once(child, "message", { signal: AbortSignal.timeout(10_000) });
  return {
    host: inside,
    port,
    set(wire) {
      const input = `table inet fault {}\ndelete table inet fault\ntable inet fault {\n${chain("input", "iifname", wire)}${chain("output", "oifname", wire)}}\n`;
      execFileSync("ip", within("nft", "-f", "-"), { input, timeout: 10_000 });
    },
  };
}

function chain(hook: "input" | "output", name: string, wire: Wire): string {
  const drops = rules[wire].flatMap((rule) => (rule.startsWith(hook) ? [`${name} != "lo" ${rule.slice(hook.length + 1)}\n`] : []));
  return `chain ${hook} {\ntype filter hook ${hook} priority 0\n${drops.join("")}}\n`;
}
