import { describeError } from "@tenfold/base";
import { api } from "@tenfold/contracts";
import type { Command } from "commander";
import { cliProblems } from "../../exit.ts";
import { addVerb } from "../../verb.ts";

type Finding = { check: string; ok: boolean; found: string };

/** Looks at one thing; a failure is a finding, not an end. */
async function look(check: string, examine: () => Promise<string>): Promise<Finding> {
  try {
    return { check, ok: true, found: await examine() };
  } catch (error) {
    return { check, ok: false, found: describeError(error) };
  }
}

export function doctorCommand(program: Command): void {
  addVerb(program, {
    usage: "doctor",
    summary: "Looks for what is wrong with this installation",
    async run(session) {
      const client = await session.client();
      const { url, token } = await session.server();
      const findings = [
        await look("Node", async () => process.version),
        await look("server answers", async () => `${(await client.call(api.getVersion, {})).version} at ${url}`),
        await look("engines are ready", async () => (await client.raw("GET", "/readyz")).text()),
        await look("token works", async () => {
          const { actor, role } = await client.call(api.whoAmI, {});
          if (actor === null)
            throw cliProblems.not_verified(
              token === undefined
                ? `No token: neither TENFOLD_TOKEN nor ${session.dataDir}/admin-token.`
                : "The server does not know this token.",
            );
          return `${actor.name}, role ${role}`;
        }),
        await look("audit trail is intact", async () => {
          const { intact, entries, brokenAt } = await client.call(api.verifyAudit, {});
          if (!intact) throw cliProblems.not_verified(`Broken at entry ${brokenAt}.`);
          return `${entries} entries`;
        }),
      ];
      session.out.list(findings, (one) => ({ " ": one.ok ? "ok" : "FAILED", check: one.check, found: one.found }));
      if (findings.some((one) => !one.ok))
        throw cliProblems.not_verified(`${findings.filter((one) => !one.ok).length} of ${findings.length} checks failed.`);
    },
  });
}
