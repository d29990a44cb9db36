import { rm } from "node:fs/promises";
import { join } from "node:path";
import { describeError, Problem } from "@tenfold/base";
import type { DeviceEvent } from "@tenfold/contracts";
import { type CrashArtifact, fullJitter, type Note, type Running } from "@tenfold/device";
import { makePrivateFolder, readOptionalFile, writeFileAtomically } from "@tenfold/pki";
import { z } from "zod";
import { openLastLines } from "./last-lines.ts";
import { findIn, type Place } from "./places.ts";
import { type About, openSpool } from "./spool.ts";

const begun = z.strictObject({ bootId: z.string(), version: z.string(), build: z.string().optional() });

/**
 * Sees what goes wrong on this device and keeps it until the platform has it: a boot that ended without a word, a payload that crashed, and
 * what the kernel and its helpers left in their folders.
 */
export type Witness = {
  /** Every log line passes here. */
  note: Note;
  /** A boot begins. Where the one before did not end as it should, its last words are evidence. */
  begin(running: Running): Promise<void>;
  /** The boot ends as it should: a wanted reboot, or the agent's own end. */
  end(): Promise<void>;
  /** A program that the agent runs has crashed; `lines` are its last ones. */
  crashed(what: { sentence: string; lines: readonly string[] }): Promise<void>;
  /** Takes in what the boot loader said of a start that did not go well. */
  bootLog(text: string): Promise<void>;
  /** Looks into the folders, and sends what waits; puts itself off after a failure. Calls while it runs are one run. */
  work(send: (artifact: CrashArtifact) => Promise<"stored" | "refused">): Promise<void>;
};

export type WitnessDeps = {
  readonly folder: string;
  readonly places: readonly Place[];
  readonly maxBytes: number;
  readonly tell: (event: DeviceEvent) => void;
  readonly clock: { now(): number; mono(): number };
};

const lookEveryMs = 10_000;

export async function openWitness({ folder, places, maxBytes, tell, clock }: WitnessDeps): Promise<Witness> {
  await makePrivateFolder(folder);
  const spool = await openSpool(folder, { maxBytes, now: clock.now() });
  const lines = openLastLines(folder);
  const marker = join(folder, "running.json");
  let now: About = {};
  /** Whose crash a file in a folder most likely is: that of the boot that ended badly, as long as none was found since. */
  let suspect: About | undefined;
  let [failures, tryAt, lookAt] = [0, 0, 0];
  let working: Promise<void> | undefined;

  const event = (type: string, severity: DeviceEvent["severity"], detail: Record<string, string | undefined>) =>
    tell({ type, severity, at: new Date(clock.now()).toISOString(), detail: JSON.parse(JSON.stringify(detail)) });
  const look = async (): Promise<void> => {
    if (clock.mono() < lookAt) return;
    lookAt = clock.mono() + lookEveryMs;
    for (const found of await findIn(places, { since: spool.since, now: clock.now() })) {
      const of = suspect ?? now;
      if (!(await spool.addFile(found, of))) continue;
      const type = found.kind === "pstore" ? "kernel_panic" : "crash";
      event(type, "error", { kind: found.kind, ...of });
    }
  };
  const work = async (send: Parameters<Witness["work"]>[0]): Promise<void> => {
    await look();
    if (spool.waiting() === 0 || clock.mono() < tryAt) return;
    try {
      await spool.drain(send);
      failures = 0;
    } catch (error) {
      const told = error instanceof Problem ? error.retryAfterS : undefined;
      tryAt = clock.mono() + (told === undefined ? 1_000 + fullJitter(failures, Math.random()) : told * 1_000);
      failures += 1;
    }
  };
  return {
    note(name, fields = {}) {
      lines.add(
        `${new Date(clock.now()).toISOString()} ${name}${Object.entries(fields)
          .map(([key, value]) => ` ${key}=${String(value)}`)
          .join("")}`,
      );
    },
    async begin({ bootId, version, hash }) {
      const text = await readOptionalFile(marker);
      const before = text === undefined ? undefined : begun.safeParse(parseJson(text)).data;
      now = { bootId, version, ...(hash === undefined ? {} : { build: hash }) };
      suspect = before;
      lookAt = 0;
      if (before) {
        const sentence = `Boot ${before.bootId} of ${before.version} ended without a word.`;
        const said = { kind: "log", text: `${lines.read()}${sentence}\n`, key: `boot:${before.bootId}` } as const;
        if (await spool.add(said, before)) event("unexpected_boot", "warning", { ended: before.bootId, version: before.version });
      }
      // After the evidence is safe: whoever dies in between finds the same evidence again.
      await writeFileAtomically(marker, `${JSON.stringify(now)}\n`, 0o600);
    },
    end: () => rm(marker, { force: true }),
    async crashed({ sentence, lines: last }) {
      suspect = undefined;
      if (await spool.add({ kind: "log", text: `${last.join("\n")}\n${sentence}\n` }, now))
        event("crash", "error", { kind: "log", what: sentence.slice(0, 500), ...now });
    },
    async bootLog(text) {
      await spool.add({ kind: "bootlog", text }, suspect ?? now);
    },
    work(send) {
      working ??= work(send)
        .catch((error: unknown) => lines.add(`crashes.not_looked_at because=${describeError(error)}`))
        .finally(() => {
          working = undefined;
        });
      return working;
    },
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
