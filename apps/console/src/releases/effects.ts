import type { Release, Rollout } from "@tenfold/contracts";
import { counted } from "../format.ts";

const open: readonly Rollout["phase"][] = ["awaiting_approval", "running", "paused"];

type Used = { phase: Rollout["phase"]; release: { id: string } };
type Signed = Pick<Release, "id" | "devices" | "signedBy">;

const openOf = (rollouts: readonly Used[], releases: readonly Pick<Release, "id">[]): number =>
  rollouts.filter(({ phase, release }) => open.includes(phase) && releases.some(({ id }) => id === release.id)).length;

const pausing = (n: number): string => (n === 0 ? "No open rollout uses it." : `${counted(n, "open rollout")} of it will pause.`);

const keeping = (n: number): string =>
  n === 0 ? "No device runs it." : `${counted(n, "device")} that ${n === 1 ? "runs" : "run"} it will keep it.`;

/** What retiring a release does, and to how many rollouts and devices. */
export function retirement(release: Pick<Release, "id" | "devices">, rollouts: readonly Used[]): string {
  return `No new rollout may use it. ${pausing(openOf(rollouts, [release]))} ${keeping(release.devices)} It can be reinstated.`;
}

type Known = { releases: readonly Signed[]; rollouts: readonly Used[] };

/** What revoking a signing key does: to the releases that no other known key has signed. */
export function revocation(keyid: string, { releases, rollouts }: Known): string {
  const alone = releases.filter(({ signedBy }) => signedBy.length > 0 && signedBy.every((each) => each === keyid));
  const them = alone.length === 1 ? "it" : "them";
  const devices = alone.reduce((sum, release) => sum + release.devices, 0);
  const closed = openOf(rollouts, alone);
  return [
    "This cannot be undone: the key is never accepted again, and its signatures make no release any more.",
    alone.length === 0
      ? "No release is signed by it alone."
      : `${counted(alone.length, "release")} signed by it alone can be rolled out no more; ${closed === 0 ? `no open rollout uses ${them}` : `${counted(closed, "open rollout")} of ${them} will pause`}.`,
    ...(devices === 0 ? [] : [`${counted(devices, "device")} that ${devices === 1 ? "runs" : "run"} such a release will keep it.`]),
  ].join(" ");
}
