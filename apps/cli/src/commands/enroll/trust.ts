import { readFile } from "node:fs/promises";
import { api } from "@tenfold/contracts";
import type { Command } from "commander";
import { facts } from "../../output.ts";
import { addVerb, text, word } from "../../verb.ts";
import { oneOf } from "./manifest.ts";

/** `enroll anchor|anchors|code`: who may come in. */
export function enrollTrust(enroll: Command): void {
  addVerb(enroll, {
    usage: "anchor <certificate>",
    summary: "Trusts a manufacturer's certificate authority (PEM file)",
    flags: [
      ["--name <name>", "what to call it"],
      ["--unknown <what>", "devices that stand in no manifest: approve (they wait) or refuse", "approve"],
      ["--manifests <which>", "any, or signed: only what this manufacturer signed lets its devices in", "any"],
    ],
    example: "enroll anchor acme-ca.pem --name Acme",
    async run(session, given) {
      const path = word(given, 0);
      const body = {
        name: text(given.flags, "name") ?? path,
        certificatePem: await readFile(path, "utf8"),
        unknownDevices: oneOf(given.flags, "unknown", ["approve", "refuse"]) ?? "approve",
        manifests: oneOf(given.flags, "manifests", ["any", "signed"]) ?? "any",
      };
      const anchor = await (await session.client()).call(api.createTrustAnchor, { body });
      session.out.one(anchor, () =>
        facts({ anchor: anchor.id, name: anchor.name, subject: anchor.subject, fingerprint: anchor.fingerprint }),
      );
    },
  });
  addVerb(enroll, {
    usage: "anchors",
    summary: "Manufacturers whose devices may enroll",
    async run(session) {
      const { items } = await (await session.client()).call(api.listTrustAnchors, {});
      session.out.list(items, (one) => ({
        id: one.id,
        name: one.name,
        subject: one.subject,
        unknown: one.unknownDevices,
        manifests: one.manifests,
        keys: one.manifestKeys.length,
        until: one.notAfter.slice(0, 10),
      }));
    },
  });
  addVerb(enroll, {
    usage: "code <serial>",
    summary: "A one-time code for a development board",
    flags: [["--lifetime <seconds>", "how long it works", "3600"]],
    example: "enroll code board-7 --json",
    async run(session, given) {
      const made = await (await session.client()).call(api.createEnrollmentCode, {
        body: { serial: word(given, 0), lifetimeS: Number(given.flags.lifetime) },
      });
      session.out.one(made, () =>
        facts({
          serial: made.serial,
          code: made.code,
          until: made.expiresAt,
          send: "HTTP Basic to /.well-known/est/simpleenroll: user = serial, password = code",
        }),
      );
    },
  });
}
