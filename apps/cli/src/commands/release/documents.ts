import { readFile } from "node:fs/promises";
import { type ApiClient, type Attachment, api } from "@tenfold/contracts";
import type { Command } from "commander";
import { cliProblems } from "../../exit.ts";
import { ago, facts } from "../../output.ts";
import { addVerb, type Flags, text, word } from "../../verb.ts";

export const documentFlags: [string, string][] = [
  ["--sbom <file>", "a CycloneDX SBOM of this build (JSON)"],
  ["--provenance <file>", "SLSA provenance of this build: in-toto statement, DSSE envelope or Sigstore bundle"],
];

/** Attaches what the flags name. Doing it again changes nothing. */
export async function attachDocuments(client: ApiClient, release: string, flags: Flags): Promise<Attachment[]> {
  const [sbom, provenance] = [text(flags, "sbom"), text(flags, "provenance")];
  const done: Attachment[] = [];
  const attach = async (operation: typeof api.attachSbom | typeof api.attachProvenance, path: string) =>
    done.push(await client.call(operation, { params: { id: release }, body: { document: await readFile(path, "utf8") } }));
  if (sbom !== undefined) await attach(api.attachSbom, sbom);
  if (provenance !== undefined) await attach(api.attachProvenance, provenance);
  return done;
}

export function releaseDocuments(release: Command): void {
  attaching(release);
  looking(release);
  vouching(release);
}

function attaching(release: Command): void {
  addVerb(release, {
    usage: "attach <release>",
    summary: "Attaches an SBOM or provenance to a release; the same document twice is one",
    flags: documentFlags,
    example: "release attach 2.0.0 --sbom app.cdx.json --provenance app.intoto.json",
    async run(session, given) {
      const done = await attachDocuments(await session.client(), word(given, 0), given.flags);
      if (done.length === 0) throw cliProblems.usage("Nothing to attach: name a file with --sbom or --provenance.");
      session.out.list(done, (one) => ({ kind: one.kind, format: one.format, says: saysLine(one), vouched: vouchedLine(one) }));
    },
  });
  addVerb(release, {
    usage: "documents <release>",
    summary: "What is attached to a release, with the ids that detach takes",
    async run(session, given) {
      const { items } = await (await session.client()).call(api.listAttachments, { params: { id: word(given, 0) } });
      session.out.list(items, (one) => ({
        ...{ id: one.id, kind: one.kind, format: one.format, says: saysLine(one), vouched: vouchedLine(one) },
        ...{ bytes: one.size, by: one.by, attached: ago(one.createdAt) },
      }));
    },
  });
  addVerb(release, {
    usage: "detach <release> <attachment>",
    summary: "Takes an SBOM or provenance away, as long as no rollout has used the release",
    example: "release detach 2.0.0 att_01J…",
    async run(session, given) {
      const client = await session.client();
      const params = { id: word(given, 0), attachment: word(given, 1) };
      const found = await client.call(api.getAttachment, { params });
      if (session.options.dryRun)
        return session.out.one({ dryRun: true, ...params }, () => [
          `Would detach the ${found.kind} ${found.id} (${saysLine(found)}).`,
        ]);
      await session.confirm(`Detach the ${found.kind} ${found.id} (${saysLine(found)}) from ${found.release}?`);
      const gone = await client.call(api.detachAttachment, { params });
      session.out.one(gone, () => [`Detached. The same document can be attached again: tenfold release attach ${params.id}`]);
    },
  });
}

function looking(release: Command): void {
  addVerb(release, {
    usage: "sbom [release]",
    summary: "What is in a release; or, with --find, which releases contain a component",
    flags: [
      ["--find <component>", "a name, with a version if wanted: 'openssl<3.0.14'"],
      ["--purl <purl>", "a package URL, with or without its version: pkg:deb/debian/openssl"],
      ["--limit <n>", "at most this many", "1000"],
    ],
    example: "release sbom --find 'openssl<3.0.14'",
    async run(session, given) {
      const client = await session.client();
      const [find, purl, limit] = [text(given.flags, "find"), text(given.flags, "purl"), Number(given.flags.limit)];
      if (find !== undefined || purl !== undefined) {
        const query = { limit, ...(find ? { component: find } : {}), ...(purl ? { purl } : {}) };
        const { items } = await client.call(api.findComponents, { query });
        return session.out.list(items, ({ release: of, component }) => ({
          release: `${of.name}@${of.version}`,
          channel: of.channel,
          retired: of.retired ? "yes" : "",
          component: component.name,
          version: component.version ?? "",
          purl: component.purl ?? "",
        }));
      }
      const named = word(given, 0);
      if (named === "")
        throw cliProblems.usage("Which release? Or name a component with --find.", { fix: "tenfold release sbom 2.0.0" });
      const { items } = await client.call(api.listReleaseComponents, { params: { id: named }, query: { limit } });
      session.out.list(items, (one) => ({
        name: one.name,
        version: one.version ?? "",
        type: one.type,
        licences: one.licences.join(", "),
        purl: one.purl ?? "",
      }));
    },
  });
  addVerb(release, {
    usage: "provenance <release>",
    summary: "How a release was built, and who vouches for it",
    async run(session, given) {
      const { items } = await (await session.client()).call(api.listAttachments, { params: { id: word(given, 0) } });
      session.out.list(
        items.filter(({ kind }) => kind === "provenance"),
        (one) => ({
          builder: one.summary.builder,
          source: one.summary.source ?? "",
          run: one.summary.invocation ?? "",
          vouched: vouchedLine(one),
          attached: ago(one.createdAt),
        }),
      );
    },
  });
}

function vouching(release: Command): void {
  addVerb(release, {
    usage: "builders",
    summary: "Public keys that may vouch for provenance",
    async run(session) {
      const { items } = await (await session.client()).call(api.listProvenanceKeys, {});
      session.out.list(items, ({ keyid, name, createdAt, revokedAt }) => ({
        ...{ keyid, name, registered: ago(createdAt), revoked: revokedAt ? ago(revokedAt) : "" },
      }));
    },
  });
  addVerb(release, {
    usage: "unvouch <keyid>",
    summary: "Revokes a builder's key: it vouches for nothing any more, also not for what it vouched for before",
    flags: [["--reason <text>", "why, for the audit trail", "revoked on the command line"]],
    async run(session, given) {
      const client = await session.client();
      const id = word(given, 0);
      const { items } = await client.call(api.listProvenanceKeys, {});
      const name = items.find(({ keyid }) => keyid === id)?.name ?? id;
      if (session.options.dryRun) return session.out.one({ dryRun: true, keyid: id }, () => [`Would revoke the key of ${name}.`]);
      await session.confirm(`Revoke the key of ${name} for good? What it vouched for is shown as vouched for by nobody.`);
      const body = { reason: text(given.flags, "reason") ?? "" };
      const key = await client.call(api.revokeProvenanceKey, { params: { id }, body });
      session.out.one(key, () => [`${key.name} vouches for nothing any more. A revoked key never comes back: make a new one.`]);
    },
  });
  addVerb(release, {
    usage: "vouch <publicKey>",
    summary: "Registers a public key that may vouch for provenance (PEM file: ed25519, ECDSA or RSA)",
    flags: [["--name <name>", "what to call it", "builder"]],
    async run(session, given) {
      const body = { name: text(given.flags, "name") ?? "builder", publicKeyPem: await readFile(word(given, 0), "utf8") };
      const key = await (await session.client()).call(api.trustProvenanceKey, { body });
      session.out.one(key, () =>
        facts({
          "key id": key.keyid,
          name: key.name,
          next: "attach again what it signed before: tenfold release attach RELEASE --provenance FILE",
        }),
      );
    },
  });
}

const saysLine = ({ kind, summary }: Attachment): string =>
  kind === "sbom" ? `${summary.components} components` : `${summary.builder}`;

const vouchedLine = ({ kind, verifiedBy }: Attachment): string =>
  kind === "sbom"
    ? ""
    : verifiedBy.length > 0
      ? `by ${verifiedBy.map((keyid) => keyid.slice(0, 12)).join(", ")}`
      : "by nobody who is known here";
