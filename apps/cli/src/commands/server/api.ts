import { readFile } from "node:fs/promises";
import type { Command } from "commander";
import { addVerb, text, word } from "../../verb.ts";

export function apiCommand(program: Command): void {
  addVerb(program, {
    usage: "api <method> <path>",
    summary: "A raw call of the API, with authorization",
    flags: [["--body <json>", "the request body; @FILE reads it from a file"]],
    example: "api GET '/api/v1/devices?filter=status:offline'",
    async run(session, given) {
      const body = text(given.flags, "body");
      const sent = body?.startsWith("@") ? await readFile(body.slice(1), "utf8") : body;
      const response = await (await session.client()).raw(
        word(given, 0).toUpperCase(),
        word(given, 1),
        sent === undefined ? {} : { body: sent, headers: { "content-type": "application/json" } },
      );
      process.stdout.write(`${await response.text()}\n`);
    },
  });
}
