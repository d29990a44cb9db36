import { readFile } from "node:fs/promises";
import { api, signedRelease } from "@tenfold/contracts";
import type { Command } from "commander";
import { pushArtifact } from "../../artifact.ts";
import { ago, facts } from "../../output.ts";
import { addVerb, text, word } from "../../verb.ts";
import { signFile, signingFlags } from "../artifact/sign.ts";

export function releaseCommands(program: Command): void {
  const release = program.command("release").description("Signed releases");
  addVerb(release, {
    usage: "create <file>",
    summary: "Uploads a firmware image and registers its signed release",
    flags: [
      ...signingFlags,
      ["--envelope <file>", "a release that was signed elsewhere (artifact sign); then no key is needed"],
      ["--notes <text>", "what changed", ""],
    ],
    example: "release create app-2.0.0.bin --key release-key.pem --version 2.0.0",
    async run(session, given) {
      const path = word(given, 0);
      const from = text(given.flags, "envelope");
      const envelope =
        from === undefined ? await signFile(path, given.flags) : signedRelease.parse(JSON.parse(await readFile(from, "utf8")));
      const client = await session.client();
      await pushArtifact(client, path);
      const made = await client.call(api.createRelease, { body: { envelope, notes: text(given.flags, "notes") ?? "" } });
      session.out.one(made, () =>
        facts({
          release: made.id,
          name: made.name,
          version: made.version,
          artifact: made.artifact.sha256,
          next: `tenfold rollout start ${made.version}`,
        }),
      );
    },
  });
  addVerb(release, {
    usage: "list",
    summary: "Releases, newest first",
    flags: [["--limit <n>", "at most this many", "50"]],
    async run(session, { flags }) {
      const { items } = await (await session.client()).call(api.listReleases, { query: { limit: Number(flags.limit) } });
      session.out.list(items, (one) => ({
        id: one.id,
        name: one.name,
        version: one.version,
        models: one.models.join(",") || "any",
        devices: one.devices,
        retired: one.retired ? "yes" : "",
        created: ago(one.createdAt),
      }));
    },
  });
  addVerb(release, {
    usage: "show <release>",
    summary: "One release, by id or version",
    async run(session, given) {
      const one = await (await session.client()).call(api.getRelease, { params: { id: word(given, 0) } });
      session.out.one(one, () =>
        facts({
          release: one.id,
          name: one.name,
          version: one.version,
          models: one.models.join(", ") || "any",
          artifact: one.artifact.sha256,
          bytes: one.artifact.size,
          "signed by": one.signedBy.join(", "),
          devices: one.devices,
          notes: one.notes,
        }),
      );
    },
  });
  addVerb(release, {
    usage: "retire <release>",
    summary: "No rollout may use it any more",
    async run(session, given) {
      const one = await (await session.client()).call(api.retireRelease, { params: { id: word(given, 0) } });
      session.out.one(one, () => [`${one.name} ${one.version} is retired.`]);
    },
  });
  addVerb(release, {
    usage: "trust <publicKey>",
    summary: "Registers a public key whose signatures make a release (PEM file)",
    flags: [["--name <name>", "what to call it", "release key"]],
    async run(session, given) {
      const key = await (await session.client()).call(api.createSigningKey, {
        body: { name: text(given.flags, "name") ?? "release key", publicKeyPem: await readFile(word(given, 0), "utf8") },
      });
      session.out.one(key, () => facts({ "key id": key.keyid, name: key.name }));
    },
  });
}
