import { spawn } from "node:child_process";
import { api } from "@tenfold/contracts";
import type { Command } from "commander";
import { addVerb, text } from "../../verb.ts";

export function openCommand(program: Command): void {
  addVerb(program, {
    usage: "open",
    summary: "Opens the console, signed in by a one-time link",
    flags: [
      ["--name <name>", "who signs in", "owner"],
      ["--print", "only print the link"],
    ],
    async run(session, { flags }) {
      const link = await (await session.client()).call(api.createSignInLink, { body: { name: text(flags, "name") ?? "owner" } });
      session.out.one(link, () => [link.url]);
      if (!flags.print && process.stdout.isTTY) openInBrowser(link.url);
    },
  });
}

function openInBrowser(url: string): void {
  const opener = process.platform === "darwin" ? "open" : "xdg-open";
  // Where there is no desktop the printed link must do.
  spawn(opener, [url], { stdio: "ignore", detached: true })
    .on("error", () => undefined)
    .unref();
}
