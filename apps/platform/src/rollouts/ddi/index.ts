/** hawkBit DDI: SWUpdate, rauc-hawkbit-updater and Zephyr's client as they are; the same rollouts, the same gates. */
import type { DeviceHttp } from "../../kernel/index.ts";
import type { DdiDeps } from "./deps.ts";
import { deviceRoutes } from "./device-routes.ts";
import { createDigests } from "./digests.shell.ts";

export type Ddi = { deviceRoutes(app: DeviceHttp): void };

export function createDdi(deps: DdiDeps): Ddi {
  const digests = createDigests(deps);
  return { deviceRoutes: (app) => deviceRoutes(app, { ...deps, digests }) };
}
