import { api, type OidcTrust, role, roles } from "@tenfold/contracts";
import type { Command } from "commander";
import { cliProblems } from "../../exit.ts";
import { ago, facts } from "../../output.ts";
import { addVerb, type Flags, text, texts, word } from "../../verb.ts";

const gitHub = "https://token.actions.githubusercontent.com";
const gitLab = "https://gitlab.com";

/** Whose pipelines may sign in without a secret. */
export function trustCommands(account: Command): void {
  addVerb(account, {
    usage: "trust <name>",
    summary:
      "Lets pipelines in by OpenID Connect: of a GitHub repository, a GitLab project, or whatever issuer and claims you name",
    flags: [
      ["--github <repository>", "OWNER/REPOSITORY on GitHub"],
      ["--gitlab <project>", "GROUP/PROJECT on GitLab"],
      ["--issuer <url>", `another issuer (else ${gitHub} or ${gitLab})`],
      ["--audience <audience>", "whom the token must be for (else the server's address)"],
      ["--ref <pattern>", "only these refs: refs/tags/v* on GitHub, v* on GitLab"],
      ["--environment <name>", "only jobs of this deployment environment"],
      ["--claim <name=pattern...>", "any other claim; * stands for anything; several of one claim are alternatives"],
      ["--role <role>", roles.join(", "), "release_manager"],
      ["--lifetime <seconds>", "how long one sign-in lasts", "3600"],
    ],
    example: "account trust pump-ci --github acme/pump --ref 'refs/tags/v*' --environment production",
    async run(session, given) {
      const { url } = await session.server();
      const body = readTrust(word(given, 0), given.flags, new URL(url).origin);
      const made = await (await session.client()).call(api.createOidcTrust, { body });
      session.out.one(made, () => [
        ...describeTrust(made),
        "",
        "In the job: tenfold login --oidc (or nothing: it signs in by itself)",
      ]);
    },
  });
  addVerb(account, {
    usage: "trusts",
    summary: "Whose pipelines may sign in",
    async run(session) {
      const { items } = await (await session.client()).call(api.listOidcTrusts, {});
      session.out.list(items, (one) => ({
        name: one.name,
        role: one.role,
        issuer: one.issuer,
        conditions: conditionsLine(one),
        used: ago(one.lastUsedAt),
        revoked: one.revokedAt ? "yes" : "",
      }));
    },
  });
  addVerb(account, {
    usage: "untrust <name>",
    summary: "Ends a trust; the tokens that it gave stop working now",
    async run(session, given) {
      await session.confirm(`End the trust ${word(given, 0)}?`);
      const one = await (await session.client()).call(api.revokeOidcTrust, { params: { id: word(given, 0) } });
      session.out.one(one, () => [`${one.name} is trusted no more.`]);
    },
  });
}

/** The trust that the flags describe; refuses what says nothing or cannot be read. */
export function readTrust(name: string, flags: Flags, server: string) {
  const [repository, project] = [text(flags, "github"), text(flags, "gitlab")];
  const issuer = text(flags, "issuer") ?? (repository ? gitHub : project ? gitLab : undefined);
  if (issuer === undefined)
    throw cliProblems.usage("Whose pipelines? Name one of --github, --gitlab or --issuer.", {
      fix: "For example: --github acme/pump --ref 'refs/tags/v*'",
    });
  const wanted = role.safeParse(text(flags, "role"));
  if (!wanted.success) throw cliProblems.usage(`"${flags.role}" is not a role.`, { fix: `One of: ${roles.join(", ")}.` });
  const conditions: Record<string, string[]> = {};
  const add = (claim: string, pattern: string | undefined) => {
    if (pattern !== undefined) conditions[claim] = [...(conditions[claim] ?? []), pattern];
  };
  add("repository", repository);
  add("project_path", project);
  add("ref", text(flags, "ref"));
  add("environment", text(flags, "environment"));
  for (const pair of texts(flags, "claim")) {
    const [, claim, pattern] = /^([^=]+)=(.+)$/.exec(pair) ?? [];
    if (claim === undefined) throw cliProblems.usage(`--claim: "${pair}" is not name=pattern.`);
    add(claim, pattern);
  }
  return {
    name,
    issuer,
    audience: text(flags, "audience") ?? server,
    conditions,
    role: wanted.data,
    tokenLifetimeS: Number(text(flags, "lifetime")),
  };
}

const conditionsLine = ({ conditions }: OidcTrust): string =>
  Object.entries(conditions)
    .map(([claim, patterns]) => `${claim}=${patterns.join("|")}`)
    .join(" ");

const describeTrust = (one: OidcTrust): string[] =>
  facts({
    trust: one.name,
    issuer: one.issuer,
    audience: one.audience,
    "lets in": conditionsLine(one),
    role: one.role,
    for: `${one.tokenLifetimeS} s a sign-in`,
  });
