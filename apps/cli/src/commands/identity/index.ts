import { api, type Rotation } from "@tenfold/contracts";
import type { Command } from "commander";
import { cliProblems } from "../../exit.ts";
import { ago, facts } from "../../output.ts";
import { addVerb, text, word } from "../../verb.ts";

const kinds = ["issuing", "root"] as const;

/** `identity rotate|status|hold|resume|abort`: the staged replacement of our own authority. */
export function identityCommands(program: Command): void {
  const identity = program.command("identity").description("Our own certificate authority: rotate issuing CA and root");
  addVerb(identity, {
    usage: "rotate <kind>",
    summary: "Begins to replace the issuing CA (issuing), or the root with its issuing CA (root)",
    flags: [["--share <share>", "of the active devices that must believe the new root before the next phase", "100%"]],
    example: "identity rotate root --share 99%",
    async run(session, given) {
      const kind = kinds.find((one) => one === word(given, 0));
      if (kind === undefined)
        throw cliProblems.usage(`"${word(given, 0)}" cannot be rotated.`, { fix: "Say `issuing` or `root`." });
      const share = readShare(text(given.flags, "share") ?? "100%");
      if (session.options.dryRun) return session.out.one({ dryRun: true, kind, share }, () => [`Would rotate the ${kind} CA.`]);
      await session.confirm(`Replace the ${kind === "root" ? "root and the issuing CA" : "issuing CA"} of every device?`);
      const started = await (await session.client()).call(api.startRotation, { body: { kind, share } });
      session.out.one(started, () => describe(started));
    },
  });
  addVerb(identity, {
    usage: "status",
    summary: "Rotations, newest first, and what the open one waits for",
    async run(session) {
      const { items } = await (await session.client()).call(api.listRotations, {});
      session.out.list(items, (one) => ({
        id: one.id,
        kind: one.kind,
        phase: one.phase,
        since: ago(one.phaseSince),
        trust: `${one.gate.withNewTrust}/${one.gate.activeDevices}`,
        old: one.gate.oldCertificates,
        waits: one.heldBecause ?? one.gate.waitsFor,
      }));
    },
  });
  addMoves(identity);
  addVerb(identity, {
    usage: "transfer-key",
    summary: "Prints the key (PEM) that signs our vouchers, for whoever takes our devices in",
    example: "identity transfer-key > partner.pem",
    async run(session) {
      const key = await (await session.client()).call(api.getTransferKey, {});
      session.out.one(key, () => [key.publicKeyPem.trimEnd()]);
    },
  });
  addVerb(identity, {
    usage: "certificates [device]",
    summary: "Certificates that were issued, newest first",
    flags: [["--limit <n>", "at most this many", "50"]],
    async run(session, { words: [device], flags }) {
      const query = { limit: Number(flags.limit), ...(device ? { device } : {}) };
      const { items } = await (await session.client()).call(api.listCertificates, { query });
      session.out.list(items, (one) => ({
        "serial number": one.serialNumber,
        device: one.device,
        state: one.state,
        until: one.notAfter.slice(0, 10),
        because: one.revokedBecause ?? "",
      }));
    },
  });
  addVerb(identity, {
    usage: "revoke <serialNumber...>",
    summary: "Revokes certificates in one step, all or none; live connections that use them are closed",
    flags: [["--reason <text>", "why, for the audit trail and for whoever asks", "revoked on the command line"]],
    example: "identity revoke 3f9a… 77c0… --reason 'the van was stolen'",
    async run(session, { rest: serialNumbers, flags }) {
      const count = serialNumbers.length;
      if (session.options.dryRun) return session.out.one({ dryRun: true, serialNumbers }, () => [`Would revoke ${count}.`]);
      await session.confirm(`Revoke ${count === 1 ? "this certificate" : `these ${count} certificates`} for ever?`);
      const body = { serialNumbers, reason: text(flags, "reason") ?? "revoked" };
      const done = await (await session.client()).call(api.revokeCertificates, { body });
      session.out.one(done, () => [`${done.revoked} revoked; ${done.already} were revoked already.`]);
    },
  });
}

const moves = [
  { verb: "hold", operation: api.holdRotation, summary: "Stops a rotation where it is" },
  { verb: "resume", operation: api.resumeRotation, summary: "Lets a held rotation go on" },
  { verb: "abort", operation: api.abortRotation, summary: "Goes back, as long as nothing was issued by the new authority" },
] as const;

function addMoves(identity: Command): void {
  for (const { verb, operation, summary } of moves) {
    addVerb(identity, {
      usage: `${verb} <id>`,
      summary,
      flags: [["--reason <text>", "why, for the audit trail", `${verb} on the command line`]],
      async run(session, given) {
        const id = word(given, 0);
        if (session.options.dryRun) return session.out.one({ dryRun: true, rotation: id, verb }, () => [`Would ${verb} ${id}.`]);
        const changed = await (await session.client()).call(operation, {
          params: { id },
          body: { reason: text(given.flags, "reason") ?? verb },
        });
        session.out.one(changed, () => describe(changed));
      },
    });
  }
}

const describe = ({ id, kind, phase, heldBecause, gate }: Rotation): string[] =>
  facts({
    rotation: id,
    kind,
    phase,
    "new trust": `${gate.withNewTrust} of ${gate.activeDevices} active devices`,
    "old certificates": String(gate.oldCertificates),
    "waits for": heldBecause ?? gate.waitsFor,
  });

/** `99%` or `0.99`. */
function readShare(given: string): number {
  const share = given.endsWith("%") ? Number(given.slice(0, -1)) / 100 : Number(given);
  if (share > 0 && share <= 1) return share;
  throw cliProblems.usage(`"${given}" is no share.`, { fix: "Say 99% or 0.99." });
}
