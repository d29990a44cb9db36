import type { DeviceHttp } from "../kernel/index.ts";
import { sendArtifact, sha256From } from "./artifacts.shell.ts";
import type { ReleasesParts } from "./deps.ts";

/** `GET /v1/artifacts/{sha256}`: the bytes of a release, in parts if asked, for devices that are let in. */
export function deviceRoutes(app: DeviceHttp, deps: Pick<ReleasesParts, "db" | "blobs" | "integrity" | "admitRequest">): void {
  app.route({
    method: ["GET", "HEAD"],
    url: "/v1/artifacts/:sha256",
    handler: async (request, reply) => {
      const { scope } = await deps.admitRequest(request);
      return sendArtifact(deps, scope, { sha256: sha256From(request), request, reply });
    },
  });
}
