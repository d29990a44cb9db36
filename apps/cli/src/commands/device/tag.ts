import { api } from "@tenfold/contracts";
import type { Command } from "commander";
import { cliProblems } from "../../exit.ts";
import { addVerb, word } from "../../verb.ts";

export function deviceTag(device: Command): void {
  addVerb(device, {
    usage: "tag <id> <tags...>",
    summary: "Sets tags (site=berlin) or removes them (site-)",
    example: "device tag quiet-otter-17 site=berlin lab-",
    async run(session, given) {
      const tags = Object.fromEntries(word(given, 1).split(" ").map(readTag));
      const client = await session.client();
      const changed = await client.call(api.tagDevice, { params: { id: word(given, 0) }, body: { tags } });
      session.out.one(changed, () => [
        `${changed.id}: ${
          Object.entries(changed.tags)
            .map(([name, value]) => `${name}=${value}`)
            .join(" ") || "no tags"
        }`,
      ]);
    },
  });
}

function readTag(text: string): [string, string | null] {
  const [name = "", ...value] = text.split("=");
  if (value.length > 0) return [name, value.join("=")];
  if (name.endsWith("-")) return [name.slice(0, -1), null];
  throw cliProblems.usage(`"${text}" is neither a tag to set nor one to remove.`, {
    fix: "Write name=value to set, name- to remove.",
  });
}
