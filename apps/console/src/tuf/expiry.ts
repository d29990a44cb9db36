import { days } from "@tenfold/base";
import type { MetadataStatus } from "@tenfold/contracts";
import type { Tone } from "../parts/tones.ts";

export type Repository = "image" | "director";
export type Role = MetadataStatus["image"]["roles"][number];

/** Who signs a role: people with keys that no server holds, or the server by itself. */
export const signerOf = (repository: Repository, role: string): "offline" | "server" =>
  role === "root" || (repository === "image" && role !== "timestamp" && role !== "snapshot") ? "offline" : "server";

export type ExpiryVerdict = { tone: Tone; word: string; todo?: string };

/** How long before its end a person must come with the key: the drill needs days, and devices refuse what has ended. */
const warnBefore = { root: days(60), targets: days(30) } as const;
const urgentBefore = days(7);
/** Whether somebody has to do something about the end of a role, and what. */
export function judgeExpiry(repository: Repository, { role, expires }: Pick<Role, "role" | "expires">, now: number): ExpiryVerdict {
  const left = Date.parse(expires) - now;
  // Signed anew when a device asks and half of its time is over: one that has ended means that no device has asked since.
  if (signerOf(repository, role) === "server")
    return left > 0 ? { tone: "ok", word: "Renewed by the server" } : { tone: "idle", word: "Signed anew when a device asks" };
  const todo = renewal(repository, role);
  if (left <= 0) return { tone: "bad", word: "Ended: devices refuse it", todo };
  if (left <= urgentBefore) return { tone: "bad", word: "Ends within a week", todo };
  if (left <= (role === "root" ? warnBefore.root : warnBefore.targets)) return { tone: "warn", word: "Renew soon", todo };
  return { tone: "ok", word: "Good" };
}

function renewal(repository: Repository, role: string): string {
  if (role !== "root") return "tenfold tuf renew FOLDER, then tenfold tuf publish FOLDER";
  const which = repository === "director" ? " --repository director" : "";
  return `tenfold tuf rotate FOLDER --role root${which}, then tenfold tuf publish FOLDER`;
}

/** What the whole page says first: the worst of all roles. */
export function worstOf(
  status: MetadataStatus,
  now: number,
): { repository: Repository; role: string; verdict: ExpiryVerdict } | undefined {
  const all = (["image", "director"] as const).flatMap((repository) =>
    status[repository].roles.map((role) => ({ repository, role: role.role, verdict: judgeExpiry(repository, role, now) })),
  );
  return all.find(({ verdict }) => verdict.tone === "bad") ?? all.find(({ verdict }) => verdict.tone === "warn");
}
