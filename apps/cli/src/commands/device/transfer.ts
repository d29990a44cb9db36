import { readFile, writeFile } from "node:fs/promises";
import { api } from "@tenfold/contracts";
import { toPem } from "@tenfold/pki";
import type { Command } from "commander";
import { cliProblems } from "../../exit.ts";
import { ago, facts } from "../../output.ts";
import { addVerb, text, word } from "../../verb.ts";

const why: [string, string, string] = ["--reason <text>", "why, for the audit trail", "asked for on the command line"];

/** `device transfer|receive|return|replace|transfers`: devices that change hands or boards. */
export function deviceTransfer(device: Command): void {
  addTransfer(device);
  addReceive(device);
  addVerb(device, {
    usage: "return <id>",
    summary: "Takes a board back from repair: it must enroll anew; tags, groups and history stay",
    flags: [why],
    example: "device return quiet-otter-17 --reason 'RMA 4711, new flash'",
    async run(session, given) {
      const id = word(given, 0);
      if (session.options.dryRun) return session.out.one({ dryRun: true, device: id }, () => [`Would take ${id} back.`]);
      await session.confirm(`Revoke the certificates of ${id} and expect it anew?`);
      const body = { reason: text(given.flags, "reason") ?? "return" };
      const done = await (await session.client()).call(api.returnDevice, { params: { id }, body });
      session.out.one(done, () => [`${id} is expected: it enrolls with its manufacturer's certificate.`]);
    },
  });
  addVerb(device, {
    usage: "replace <id> <board>",
    summary: "Puts another board in a device's place: it takes over model, tags and groups; the old one is retired",
    flags: [why],
    example: "device replace quiet-otter-17 SN-2087 --reason 'RMA 4711'",
    async run(session, given) {
      const [id, by] = [word(given, 0), word(given, 1)];
      if (session.options.dryRun) return session.out.one({ dryRun: true, device: id, by }, () => [`Would replace ${id} by ${by}.`]);
      await session.confirm(`Retire ${id} and put ${by} in its place?`);
      const body = { by, reason: text(given.flags, "reason") ?? "replace" };
      const done = await (await session.client()).call(api.replaceDevice, { params: { id }, body });
      session.out.one(done, () => [`${by} took the place of ${id}, which is retired; its history stays with it.`]);
    },
  });
  addVerb(device, {
    usage: "transfers [id]",
    summary: "Devices that changed hands or boards, newest first",
    async run(session, { words: [id] }) {
      const query = { limit: 100, ...(id ? { device: id } : {}) };
      const { items } = await (await session.client()).call(api.listTransfers, { query });
      session.out.list(items, (one) => ({
        id: one.id,
        when: ago(one.at),
        device: one.device,
        what: one.kind,
        other: one.other ?? "",
        by: one.actor,
        reason: one.reason,
      }));
    },
  });
}

function addTransfer(device: Command): void {
  addVerb(device, {
    usage: "transfer <id>",
    summary: "Gives a device to another owner: its identity here ends, its history stays, a signed voucher goes with it",
    flags: [
      ["--to <name>", "who gets it"],
      ["--out <file>", "where the voucher goes (else ID.voucher.p7m)"],
      ["--lifetime <seconds>", "how long the voucher may be taken in", "7776000"],
      why,
    ],
    example: "device transfer quiet-otter-17 --to 'Harbour Works' --reason 'sold'",
    async run(session, given) {
      const [id, to] = [word(given, 0), text(given.flags, "to")];
      if (to === undefined) throw cliProblems.usage("A transfer needs --to.", { fix: "Say who gets the device." });
      if (session.options.dryRun)
        return session.out.one({ dryRun: true, device: id, to }, () => [`Would transfer ${id} to ${to}.`]);
      await session.confirm(`Give ${id} to ${to}? Its identity here ends for ever.`);
      const client = await session.client();
      const body = { to, reason: text(given.flags, "reason") ?? "transfer", lifetimeS: Number(given.flags.lifetime) };
      const made = await client.call(api.transferDevice, { params: { id }, body });
      const out = text(given.flags, "out") ?? `${id}.voucher.p7m`;
      await writeFile(out, Buffer.from(made.voucher, "base64"));
      const { fingerprint } = await client.call(api.getTransferKey, {});
      session.out.one({ ...made, file: out, key: fingerprint }, () =>
        facts({
          transferred: `${id} to ${to}`,
          voucher: out,
          key: `${fingerprint} (\`tenfold identity transfer-key > partner.pem\` for the receiver)`,
          "they run": `tenfold device receive ${out} --key partner.pem`,
        }),
      );
    },
  });
}

function addReceive(device: Command): void {
  addVerb(device, {
    usage: "receive <voucher>",
    summary: "Takes a device in by its voucher",
    flags: [
      ["--key <file>", "the transfer key (PEM) of whom it comes from"],
      ["--anchor-out <file>", "writes the manufacturer's CA certificate that the voucher names, for `enroll anchor`"],
      why,
    ],
    example: "device receive quiet-otter-17.voucher.p7m --key partner.pem",
    async run(session, given) {
      const [path, keyPath] = [word(given, 0), text(given.flags, "key")];
      if (keyPath === undefined)
        throw cliProblems.usage("A voucher is believed by the key of whom it comes from: give --key.", {
          fix: "They print it with `tenfold identity transfer-key`.",
        });
      const body = {
        voucher: (await readFile(path)).toString("base64"),
        publicKeyPem: await readFile(keyPath, "utf8"),
        reason: text(given.flags, "reason") ?? "receive",
      };
      const done = await (await session.client()).call(api.receiveDevice, { body });
      const anchorOut = text(given.flags, "anchorOut");
      const { manufacturer } = done.document;
      if (anchorOut !== undefined && manufacturer !== undefined)
        await writeFile(anchorOut, toPem("CERTIFICATE", Buffer.from(manufacturer.certificate, "base64")));
      session.out.one(done, () =>
        facts({
          expected: done.device,
          from: done.from,
          manufacturer: anchors[done.manufacturer](manufacturer?.name ?? ""),
          certificates: `${done.document.certificates.length} before, all of the other owner's`,
        }),
      );
    },
  });
}

const anchors = {
  trusted: (name: string) => `${name}, trusted here`,
  unknown: (name: string) =>
    `${name}, not trusted here yet: receive with --anchor-out FILE, compare it, then \`tenfold enroll anchor FILE\``,
  unnamed: () => "not named: it enrolled by a one-time code, so make one: `tenfold enroll code`",
} as const;
