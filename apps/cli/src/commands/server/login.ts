import type { Command } from "commander";
import { ciIdentity, withoutIdentity } from "../../ci-identity.ts";
import { cliProblems } from "../../exit.ts";
import { facts } from "../../output.ts";
import { signIn } from "../../sign-in.ts";
import { addVerb, text } from "../../verb.ts";

export function loginCommand(program: Command): void {
  addVerb(program, {
    usage: "login",
    summary: "Signs a CI job in by the token that its runner gives it; no secret is stored anywhere",
    flags: [
      ["--oidc", "by OpenID Connect: GitHub Actions, GitLab CI, or the token in TENFOLD_ID_TOKEN"],
      ["--audience <audience>", "whom the runner's token is for (else TENFOLD_OIDC_AUDIENCE, else the server's address)"],
      ["--role <role>", "where several trusts fit: the one that gives this role"],
    ],
    example: "login --oidc --url https://fleet.example",
    async run(session, { flags }) {
      if (flags.oidc !== true)
        throw cliProblems.usage("There is one way to sign in here: --oidc.", {
          fix: "People sign in to the console (`tenfold open`); programs use a service account's token in TENFOLD_TOKEN.",
        });
      const identity = ciIdentity(process.env);
      if (identity === undefined) throw withoutIdentity(process.env);
      const { url } = await session.server();
      const { role, expiresAt } = await signIn(process.env, identity, {
        url,
        audience: text(flags, "audience"),
        role: text(flags, "role"),
      });
      session.out.one({ url, role, expiresAt, by: identity.from }, () =>
        facts({ server: url, role, until: expiresAt, by: identity.from }),
      );
    },
  });
}
