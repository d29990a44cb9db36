import { api } from "@tenfold/contracts";
import type { Command } from "commander";
import { ago } from "../../output.ts";
import { addVerb } from "../../verb.ts";

export function artifactUploads(artifact: Command): void {
  addVerb(artifact, {
    usage: "uploads",
    summary: "Uploads that have begun and not ended; they expire by themselves",
    async run(session) {
      const { items } = await (await session.client()).call(api.listUploads, {});
      session.out.list(items, (one) => ({
        id: one.id,
        artifact: one.sha256,
        received: one.received,
        bytes: one.size,
        begun: ago(one.createdAt),
        expires: one.expiresAt,
      }));
    },
  });
}
