import type { Command } from "commander";
import { pushArtifact } from "../../artifact.ts";
import { addVerb, word } from "../../verb.ts";

export function artifactPush(artifact: Command): void {
  addVerb(artifact, {
    usage: "push <file>",
    summary: "Uploads a firmware image, and goes on by itself where it was cut; a second time changes nothing",
    example: "artifact push app-2.0.0.bin",
    async run(session, given) {
      const pushed = await pushArtifact(await session.client(), word(given, 0), session.out);
      session.out.one(pushed, () => [
        `${pushed.sha256} (${pushed.size} bytes) ${pushed.already ? "was there already" : "is uploaded"}.`,
      ]);
    },
  });
}
