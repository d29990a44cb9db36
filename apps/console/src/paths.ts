/** Every URL of the console. Pages are named like the platform's modules; nothing else writes a path by hand. */

export const deviceTabs = ["timeline", "telemetry", "commands", "updates", "identity", "connect", "logs"] as const;
export type DeviceTab = (typeof deviceTabs)[number];

type Search = Record<string, string | undefined>;

export const paths = {
  overview: (): string => "/",
  kpis: (): string => "/kpis",
  devices: (search: { filter?: string } = {}): string => withSearch("/devices", search),
  device: (id: string, search: { tab?: DeviceTab } = {}): string => withSearch(`/devices/${encodeURIComponent(id)}`, search),
  rollouts: (): string => "/rollouts",
  newRollout: (search: { release?: string; plan?: string; again?: string } = {}): string => withSearch("/rollouts/new", search),
  rollout: (id: string): string => `/rollouts/${encodeURIComponent(id)}`,
  haltReport: (id: string): string => `/rollouts/${encodeURIComponent(id)}/halt-report`,
  plans: (): string => "/rollout-plans",
  editPlan: (search: { name?: string } = {}): string => withSearch("/rollout-plans/edit", search),
  freezes: (): string => "/freezes",
  pins: (search: { filter?: string } = {}): string => withSearch("/update-pins", search),
  metadata: (): string => "/metadata",
  releases: (): string => "/releases",
  release: (id: string): string => `/releases/${encodeURIComponent(id)}`,
  alerts: (search: { state?: "resolved" } = {}): string => withSearch("/alerts", search),
  enrollment: (): string => "/enrollment",
  audit: (): string => "/audit",
  access: (): string => "/access",
  signIn: (): string => "/signin",
  setUp: (): string => "/setup",
};

/** The page of what an alert or an audit entry is about; undefined where it has none. */
export function pathOfSubject({ kind, id }: { kind: string; id: string }): string | undefined {
  switch (kind) {
    case "device":
      return paths.device(id);
    case "rollout":
      return paths.rollout(id);
    case "release":
      return paths.release(id);
    case "group":
      return paths.devices({ filter: `group:${id}` });
    default:
      return undefined;
  }
}

function withSearch(path: string, search: Search): string {
  const given = Object.entries(search).filter((entry): entry is [string, string] => entry[1] !== undefined && entry[1] !== "");
  return given.length === 0 ? path : `${path}?${new URLSearchParams(given)}`;
}
