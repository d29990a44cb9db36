/** Signed metadata in Uptane's shape: the image repository that offline keys sign, and the director that speaks to each device. */
import type { Scope } from "@tenfold/base";
import type { ReleaseStatement } from "@tenfold/contracts";
import type { DeviceHttp, Http, Queryable } from "../kernel/index.ts";
import type { TufDeps } from "./deps.ts";
import { deviceRoutes } from "./device-routes.ts";
import { type Standing, standingOf } from "./image.shell.ts";
import { routes } from "./routes.ts";

export type { TufDeps } from "./deps.ts";
export type { Standing } from "./image.shell.ts";
export { openOnlineKey } from "./online-key.shell.ts";

export type Tuf = {
  /** Whether a release stands in the image repository, and whose signatures it then needs. */
  standing(on: Queryable, scope: Scope, statement: ReleaseStatement): Promise<Standing>;
  routes(app: Http): void;
  deviceRoutes(app: DeviceHttp): void;
};

export const createTuf = (deps: TufDeps): Tuf => ({
  standing: standingOf,
  routes: (app) => routes(app, deps),
  deviceRoutes: (app) => deviceRoutes(app, deps),
});
