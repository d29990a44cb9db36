import { readFile } from "node:fs/promises";
import { type Attestation, type AttestationReference, api, attestationDemand } from "@tenfold/contracts";
import type { Command } from "commander";
import { cliProblems } from "../../exit.ts";
import { ago, facts } from "../../output.ts";
import { addVerb, text, word } from "../../verb.ts";

/** `attest …`: which TPMs are believed, what they should have measured, whose devices must attest, and what came of it. */
export function attestCommands(program: Command): void {
  const attest = program.command("attest").description("TPM attestation: makers, reference values, demands, results");
  makers(attest);
  references(attest);
  demands(attest);
  results(attest);
}

function makers(attest: Command): void {
  addVerb(attest, {
    usage: "maker <certificate>",
    summary: "Believes a TPM maker's certificate authority (PEM file)",
    flags: [["--name <name>", "what to call it"]],
    example: "attest maker infineon-ecc-root.pem --name Infineon",
    async run(session, given) {
      const path = word(given, 0);
      const body = { name: text(given.flags, "name") ?? path, certificatePem: await readFile(path, "utf8") };
      const maker = await (await session.client()).call(api.createTpmMaker, { body });
      session.out.one(maker, () =>
        facts({ maker: maker.id, name: maker.name, subject: maker.subject, fingerprint: maker.fingerprint }),
      );
    },
  });
  addVerb(attest, {
    usage: "makers",
    summary: "TPM makers that are believed",
    async run(session) {
      const { items } = await (await session.client()).call(api.listTpmMakers, {});
      session.out.list(items, (one) => ({ id: one.id, name: one.name, subject: one.subject, until: one.notAfter.slice(0, 10) }));
    },
  });
  addVerb(attest, {
    usage: "distrust <maker>",
    summary: "Believes a TPM maker no longer; what passed stays as it was",
    async run(session, given) {
      const id = word(given, 0);
      if (session.options.dryRun) return session.out.one({ dryRun: true, id }, () => [`Would no longer believe ${id}.`]);
      await session.confirm(`Believe ${id} no longer? Devices with its TPMs cannot attest anew.`);
      const done = await (await session.client()).call(api.deleteTpmMaker, { params: { id } });
      session.out.one(done, () => [`${id} is believed no longer.`]);
    },
  });
}

function references(attest: Command): void {
  addVerb(attest, {
    usage: "reference <name>",
    summary: "Keeps what a TPM should have measured, from a device's last attestation or a file",
    flags: [
      ["--device <id>", "take the values that this device quoted"],
      ["--only <pcrs>", "of these only these PCRs, with commas: 0,2,4,7"],
      ["--pcrs <file>", 'or a JSON file: {"0":["<hex>",…],…}'],
      ["--model <model>", "counts for devices of this model; for all unless told otherwise"],
    ],
    example: "attest reference box-firmware --device box-1 --only 0,2,4 --model box",
    async run(session, given) {
      const [device, file, only, model] = ["device", "pcrs", "only", "model"].map((flag) => text(given.flags, flag));
      if ((device === undefined) === (file === undefined)) throw cliProblems.usage("Give --device or --pcrs, and not both.");
      const body = {
        name: word(given, 0),
        ...(model === undefined ? {} : { model }),
        ...(device === undefined ? {} : { device }),
        ...(file === undefined ? {} : { pcrs: JSON.parse(await readFile(file, "utf8")) as AttestationReference["pcrs"] }),
        ...(only === undefined ? {} : { only: only.split(",").map(Number) }),
      };
      const kept = await (await session.client()).call(api.createAttestationReference, { body });
      session.out.one(kept, () =>
        facts({
          reference: kept.id,
          name: `${kept.name} ${kept.generation}`,
          model: kept.model ?? "all",
          pcrs: Object.keys(kept.pcrs).join(", "),
        }),
      );
    },
  });
  addVerb(attest, {
    usage: "references",
    summary: "What TPMs should have measured, newest first",
    async run(session) {
      const { items } = await (await session.client()).call(api.listAttestationReferences, {});
      session.out.list(items, (one) => ({
        id: one.id,
        name: one.name,
        generation: one.generation,
        model: one.model ?? "all",
        pcrs: Object.keys(one.pcrs).join(","),
        since: ago(one.createdAt),
        by: one.createdBy,
        retired: one.retiredAt ? ago(one.retiredAt) : "",
      }));
    },
  });
  addVerb(attest, {
    usage: "retire <reference>",
    summary: "Lets a generation of a reference count no longer",
    async run(session, given) {
      const id = word(given, 0);
      if (session.options.dryRun) return session.out.one({ dryRun: true, id }, () => [`Would retire ${id}.`]);
      await session.confirm(`Retire ${id}? Devices that measured it fall to trust level 3 when they attest again.`);
      const gone = await (await session.client()).call(api.retireAttestationReference, { params: { id } });
      session.out.one(gone, () => [`${gone.name} ${gone.generation} counts no longer.`]);
    },
  });
}

function demands(attest: Command): void {
  addVerb(attest, {
    usage: "require <anchor>",
    summary: "What a manufacturer's devices must show before they get a certificate: tpm, software, or none",
    flags: [["--demand <what>", "tpm: a key in a TPM; software: what it measured matches a reference, too; none", "tpm"]],
    example: "attest require anc_… --demand software",
    async run(session, given) {
      const demand = attestationDemand.safeParse(given.flags.demand);
      if (!demand.success)
        throw cliProblems.usage(`"${String(given.flags.demand)}" cannot be demanded.`, { fix: "Say tpm, software or none." });
      const [id, body] = [word(given, 0), { demand: demand.data }];
      if (session.options.dryRun)
        return session.out.one({ dryRun: true, id, ...body }, () => [`Would demand ${body.demand} of ${id}.`]);
      if (body.demand !== "none") await session.confirm(`Devices of ${id} that cannot attest will not enroll or renew. Go on?`);
      const set = await (await session.client()).call(api.setAttestationPolicy, { params: { id }, body });
      session.out.one(set, () => [`Devices of ${set.anchor} must show: ${set.demand}.`]);
    },
  });
  addVerb(attest, {
    usage: "policies",
    summary: "Manufacturers whose devices must attest",
    async run(session) {
      const { items } = await (await session.client()).call(api.listAttestationPolicies, {});
      session.out.list(items, (one) => ({ anchor: one.anchor, name: one.name, demand: one.demand, since: ago(one.since) }));
    },
  });
}

function results(attest: Command): void {
  addVerb(attest, {
    usage: "log [device]",
    summary: "What TPMs said and what it was worth, newest first",
    flags: [["--limit <count>", "at most so many", "50"]],
    example: "attest log box-1",
    async run(session, given) {
      const [device] = given.words;
      const query = { ...(device === undefined ? {} : { device }), limit: Number(given.flags.limit) };
      const { items } = await (await session.client()).call(api.listAttestations, { query });
      session.out.list(items, row);
    },
  });
  addVerb(attest, {
    usage: "forget <device>",
    summary: "Lets a device come with another TPM, after its board was replaced",
    flags: [["--reason <text>", "why, for the audit trail"]],
    example: "attest forget box-1 --reason 'new mainboard'",
    async run(session, given) {
      const [id, reason] = [word(given, 0), text(given.flags, "reason")];
      if (reason === undefined) throw cliProblems.usage("--reason is missing.", { fix: "Say why the device has another TPM." });
      if (session.options.dryRun) return session.out.one({ dryRun: true, id }, () => [`Would forget the TPM of ${id}.`]);
      await session.confirm(`Forget the TPM of ${id}? Its trust level falls until it attests with the new one.`);
      const done = await (await session.client()).call(api.forgetTpm, { params: { id }, body: { reason } });
      session.out.one(done, () => [`${done.forgotten} attestations no longer bind ${id} to a TPM.`]);
    },
  });
}

const row = (one: Attestation) => ({
  at: ago(one.at),
  device: one.device,
  verdict: one.verdict,
  check: one.failedCheck ?? "",
  software: one.reference ?? one.software,
  maker: one.maker ?? "",
  because: one.because,
});
