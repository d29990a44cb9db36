import type { Scope } from "@tenfold/base";
import type { Actor } from "@tenfold/contracts";
import type { FastifyRequest } from "fastify";

/** Who asks on a path that is `guarded`, which lets nobody through who is not signed in. */
export const asker = ({ identity }: FastifyRequest): { scope: Scope; actor: Actor } => ({
  scope: identity?.scope ?? { fleet: "main" },
  actor: identity?.actor ?? { kind: "system", id: "nobody", name: "nobody" },
});
