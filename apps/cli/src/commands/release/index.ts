import { readFile } from "node:fs/promises";
import { api, type ReleaseChannel, releaseChannels, type SignedRelease, signedRelease } from "@tenfold/contracts";
import type { Command } from "commander";
import { pushArtifact } from "../../artifact.ts";
import { cliProblems } from "../../exit.ts";
import { ago, facts } from "../../output.ts";
import { openFolder } from "../../tuf/folder.ts";
import { addVerb, type Flags, text, word } from "../../verb.ts";
import { signFile, signingFlags } from "../artifact/sign.ts";
import { publishFolder } from "../tuf/publish.ts";
import { attachDocuments, documentFlags, releaseDocuments } from "./documents.ts";

const reasonFlag = (done: string): [string, string, string] => [
  "--reason <text>",
  "why, for the audit trail",
  `${done} on the command line`,
];

function channelOf(flags: Flags): ReleaseChannel | undefined {
  const given = text(flags, "channel");
  const channel = releaseChannels.find((one) => one === given);
  if (given !== undefined && channel === undefined)
    throw cliProblems.usage(`--channel: "${given}" is not a channel.`, { fix: `One of: ${releaseChannels.join(", ")}.` });
  return channel;
}

async function notesOf(flags: Flags): Promise<string> {
  const file = text(flags, "notesFile");
  return file === undefined ? (text(flags, "notes") ?? "") : readFile(file, "utf8");
}

async function envelopeIn(path: string): Promise<SignedRelease> {
  const written = await readFile(path, "utf8");
  try {
    return signedRelease.parse(JSON.parse(written));
  } catch (cause) {
    throw cliProblems.usage(`--envelope: "${path}" is no signed release.`, {
      cause,
      fix: "Make one with: tenfold artifact sign FILE --out FILE.release.json",
    });
  }
}

export function releaseCommands(program: Command): void {
  const release = program.command("release").description("Signed releases");
  releaseDocuments(release);
  addVerb(release, {
    usage: "create <file>",
    summary: "Uploads a firmware image and registers its signed release",
    flags: [
      ...signingFlags,
      ["--envelope <file>", "a release that was signed elsewhere (artifact sign); then no key is needed"],
      ["--notes <text>", "what changed", ""],
      ["--notes-file <file>", "what changed, from a file (Markdown)"],
      ["--channel <channel>", releaseChannels.join(", "), "stable"],
      ...documentFlags,
    ],
    example: "release create app-2.0.0.bin --key release-key.pem --version 2.0.0",
    async run(session, given) {
      const path = word(given, 0);
      const from = text(given.flags, "envelope");
      const envelope = from === undefined ? await signFile(path, given.flags) : await envelopeIn(from);
      const client = await session.client();
      await pushArtifact(client, path, session.out);
      const folder = text(given.flags, "tuf");
      // Listed before it is registered: the server takes no release that no device would take.
      if (folder !== undefined) await publishFolder(client, await openFolder(folder));
      const made = await client.call(api.createRelease, {
        body: { envelope, notes: await notesOf(given.flags), channel: channelOf(given.flags) ?? "stable" },
      });
      await attachDocuments(client, made.id, given.flags);
      session.out.one(made, () =>
        facts({
          release: made.id,
          name: made.name,
          version: made.version,
          channel: made.channel,
          artifact: made.artifact.sha256,
          next: `tenfold rollout start ${made.version}`,
        }),
      );
    },
  });
  addVerb(release, {
    usage: "list",
    summary: "Releases, newest first",
    flags: [
      ["--channel <channel>", `only those in ${releaseChannels.join(", ")}`],
      ["--name <name>", "only those of this name"],
      ["--limit <n>", "at most this many", "50"],
    ],
    async run(session, { flags }) {
      const [channel, name] = [channelOf(flags), text(flags, "name")];
      const query = { limit: Number(flags.limit), ...(channel ? { channel } : {}), ...(name ? { name } : {}) };
      const { items } = await (await session.client()).call(api.listReleases, { query });
      session.out.list(items, (one) => ({
        id: one.id,
        name: one.name,
        version: one.version,
        channel: one.channel,
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
          channel: one.channel,
          models: one.models.join(", ") || "any",
          hardware: one.hardwareRevisions?.join(", ") ?? "any",
          "minimum version": one.minimumVersion,
          "must pass through": one.mustPassThrough?.join(", "),
          artifact: one.artifact.sha256,
          damaged:
            one.artifact.damagedAt &&
            `${ago(one.artifact.damagedAt)} its stored bytes were found damaged; upload the same file again: tenfold artifact push FILE`,
          bytes: one.artifact.size,
          "signed by": one.signedBy.join(", "),
          devices: one.devices,
          used: one.usedAt ? `first rollout ${ago(one.usedAt)}` : "no rollout yet",
          retired: one.retirement && `${ago(one.retirement.at)} by ${one.retirement.by}: ${one.retirement.because}`,
          notes: one.notes,
        }),
      );
    },
  });
  addVerb(release, {
    usage: "retire <release>",
    summary: "No rollout may use it any more; one that is under way pauses",
    flags: [reasonFlag("retired")],
    async run(session, given) {
      const client = await session.client();
      const found = await client.call(api.getRelease, { params: { id: word(given, 0) } });
      if (session.options.dryRun)
        return session.out.one({ dryRun: true, release: found.id }, () => [`Would retire ${found.name} ${found.version}.`]);
      await session.confirm(`Retire ${found.name} ${found.version}, which ${found.devices} devices run?`);
      const body = { reason: text(given.flags, "reason") ?? "" };
      const one = await client.call(api.retireRelease, { params: { id: found.id }, body });
      session.out.one(one, () => [
        `${one.name} ${one.version} is retired. Take it back with: tenfold release reinstate ${one.name}@${one.version}`,
      ]);
    },
  });
  addVerb(release, {
    usage: "reinstate <release>",
    summary: "Takes a retirement back",
    flags: [reasonFlag("reinstated")],
    async run(session, given) {
      const one = await (await session.client()).call(api.reinstateRelease, {
        params: { id: word(given, 0) },
        body: { reason: text(given.flags, "reason") ?? "" },
      });
      session.out.one(one, () => [`${one.name} ${one.version} can be rolled out again.`]);
    },
  });
  addVerb(release, {
    usage: "promote <release>",
    summary: "Moves a release to another channel",
    flags: [["--channel <channel>", releaseChannels.join(", "), "stable"]],
    example: "release promote 2.0.0 --channel stable",
    async run(session, given) {
      const channel = channelOf(given.flags) ?? "stable";
      const one = await (await session.client()).call(api.changeRelease, { params: { id: word(given, 0) }, body: { channel } });
      session.out.one(one, () => [`${one.name} ${one.version} is in the channel ${one.channel}.`]);
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
  addVerb(release, {
    usage: "signers",
    summary: "Public keys whose signatures make a release",
    async run(session) {
      const { items } = await (await session.client()).call(api.listSigningKeys, {});
      session.out.list(items, ({ keyid, name, createdAt, revokedAt }) => ({
        ...{ keyid, name, registered: ago(createdAt), revoked: revokedAt ? ago(revokedAt) : "" },
      }));
    },
  });
  addVerb(release, {
    usage: "distrust <keyid>",
    summary: "Revokes a signing key: its signatures make no release any more, and rollouts of what it alone signed pause",
    flags: [reasonFlag("revoked")],
    async run(session, given) {
      const client = await session.client();
      const id = word(given, 0);
      const { items } = await client.call(api.listSigningKeys, {});
      const name = items.find(({ keyid }) => keyid === id)?.name ?? id;
      if (session.options.dryRun)
        return session.out.one({ dryRun: true, keyid: id }, () => [`Would revoke the signing key ${name}.`]);
      await session.confirm(`Revoke the signing key ${name} for good? Releases that it alone signed can no longer be rolled out.`);
      const key = await client.call(api.revokeSigningKey, { params: { id }, body: { reason: text(given.flags, "reason") ?? "" } });
      session.out.one(key, () => [
        `${key.name} makes no release any more. Devices forget it when their roots are rotated: tenfold tuf rotate`,
      ]);
    },
  });
}
