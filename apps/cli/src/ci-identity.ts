import { cliProblems } from "./exit.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** The token by which a CI job says who it is, for one audience. */
export type CiIdentity = { from: "GitHub Actions" | "GitLab CI"; token(audience: string): Promise<string> };

const deadlineMs = 10_000;

/** What this job can show of itself; undefined where it is no job, or one that was given nothing to show. */
export function ciIdentity(env: Environment): CiIdentity | undefined {
  const { ACTIONS_ID_TOKEN_REQUEST_URL: url, ACTIONS_ID_TOKEN_REQUEST_TOKEN: bearer, TENFOLD_ID_TOKEN: given } = env;
  if (given !== undefined && given !== "") return { from: "GitLab CI", token: async () => given };
  if (url !== undefined && bearer !== undefined)
    return { from: "GitHub Actions", token: (audience) => askGitHub(url, bearer, audience) };
  return undefined;
}

/** Says what a job lacks to show who it is. */
export function withoutIdentity(env: Environment): Error {
  if (env.GITHUB_ACTIONS === "true")
    return cliProblems.no_ci_identity("This job has no token to show.", {
      fix: "Give the job `permissions: { id-token: write, contents: read }`.",
    });
  if (env.GITLAB_CI === "true")
    return cliProblems.no_ci_identity("This job has no token to show.", {
      fix: "Give the job `id_tokens: { TENFOLD_ID_TOKEN: { aud: <the server's address> } }`.",
    });
  return cliProblems.no_ci_identity("Nothing here can show who it is: this is no job of GitHub Actions or GitLab CI.", {
    fix: "Elsewhere, put the job's OpenID Connect token into TENFOLD_ID_TOKEN, or use a service account's token in TENFOLD_TOKEN.",
  });
}

/** docs.github.com, "OpenID Connect": the runner answers a request with its own bearer token. */
async function askGitHub(url: string, bearer: string, audience: string): Promise<string> {
  const asked = new URL(url);
  asked.searchParams.set("audience", audience);
  const answer = await fetch(asked, {
    headers: { authorization: `Bearer ${bearer}`, accept: "application/json" },
    signal: AbortSignal.timeout(deadlineMs),
  }).catch((cause: unknown) => {
    throw cliProblems.no_ci_identity("The runner did not answer with a token.", { cause });
  });
  const { value } = (await answer.json().catch(() => ({}))) as { value?: unknown };
  if (answer.ok && typeof value === "string") return value;
  throw cliProblems.no_ci_identity(`The runner answered ${answer.status} and no token.`, {
    fix: "Give the job `permissions: { id-token: write }`; a job of a fork's pull request never gets one.",
  });
}
