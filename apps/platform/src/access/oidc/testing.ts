/** A real OpenID Connect provider on this machine, which gives its one client ID tokens with whatever claims a test wants. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { exportJWK, generateKeyPair, type JWK } from "jose";
import Provider from "oidc-provider";

export type LocalIssuer = AsyncDisposable & {
  url: string;
  /** An ID token with these claims beside the provider's own (iss, iat, exp). */
  tokenFor(claims: Record<string, unknown>): Promise<string>;
  /** The same issuer with other keys, as after a rotation. */
  rotate(): Promise<void>;
  keys(): JWK[];
  requests(): string[];
};

/** [OpenID Connect Core §2] A token is for its client, so an audience is a client here. */
const secret = "runner-secret-of-a-test";
const clients = ["https://fleet.example", "https://other.example"].map((audience) => ({
  client_id: audience,
  client_secret: secret,
  token_endpoint_auth_method: "client_secret_post" as const,
  grant_types: ["urn:tenfold:test:job"],
  redirect_uris: [],
  response_types: [],
}));

export async function startIssuer(lifetimeS = 300): Promise<LocalIssuer> {
  let handle: (request: Parameters<Server["emit"]>[1], response: unknown) => void = () => {};
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url ?? "");
    handle(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  let keys: JWK[] = [];
  let generation = 0;

  async function rotate(): Promise<void> {
    generation += 1;
    const { privateKey } = await generateKeyPair("RS256", { extractable: true });
    keys = [{ ...(await exportJWK(privateKey)), kid: `key-${generation}`, use: "sig", alg: "RS256" }];
    const provider = new Provider(url, {
      clients,
      jwks: { keys: keys as never },
      conformIdTokenClaims: false,
      ttl: { IdToken: lifetimeS },
      features: { devInteractions: { enabled: false } },
    });
    provider.registerGrantType(
      "urn:tenfold:test:job",
      async (context) => {
        const told = JSON.parse(String(context.oidc.params?.claims)) as Record<string, unknown>;
        const token = new provider.IdToken({}, { ctx: context });
        for (const [name, value] of Object.entries(told)) token.set(name, value);
        context.body = { id_token: await token.issue({ use: "idtoken" }) };
      },
      ["claims"],
    );
    handle = provider.callback() as unknown as typeof handle;
  }
  await rotate();

  return {
    url,
    rotate,
    keys: () => keys,
    requests: () => asked,
    async tokenFor({ aud, ...claims }) {
      const asker = { client_id: String(aud), client_secret: secret };
      const body = new URLSearchParams({ ...asker, grant_type: "urn:tenfold:test:job", claims: JSON.stringify(claims) });
      const answer = await fetch(`${url}/token`, { method: "POST", body });
      const { id_token } = (await answer.json()) as { id_token?: string };
      if (id_token === undefined) throw new Error(`The provider gave no token: ${answer.status}`);
      return id_token;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** As GitHub's runners are given them (docs.github.com, "OpenID Connect reference"). */
export const gitHubClaims = (over: Record<string, unknown> = {}) => ({
  jti: crypto.randomUUID(),
  iat: Math.floor(Date.now() / 1_000),
  aud: "https://fleet.example",
  sub: "repo:acme/pump:ref:refs/tags/v2.0.0",
  repository: "acme/pump",
  repository_id: "74",
  repository_owner: "acme",
  repository_visibility: "private",
  ref: "refs/tags/v2.0.0",
  ref_type: "tag",
  sha: "ab".repeat(20),
  workflow: "release",
  job_workflow_ref: "acme/pump/.github/workflows/release.yml@refs/tags/v2.0.0",
  event_name: "push",
  environment: "production",
  run_id: "4711",
  run_attempt: "1",
  actor: "ada",
  ...over,
});

/** As GitLab's jobs are given them (docs.gitlab.com, "OpenID Connect (OIDC) authentication using ID tokens"). */
export const gitLabClaims = (over: Record<string, unknown> = {}) => ({
  jti: crypto.randomUUID(),
  iat: Math.floor(Date.now() / 1_000),
  aud: "https://fleet.example",
  sub: "project_path:acme/valve:ref_type:branch:ref:main",
  project_id: "20",
  project_path: "acme/valve",
  namespace_id: "72",
  namespace_path: "acme",
  user_login: "grace",
  pipeline_id: "574",
  pipeline_source: "push",
  job_id: "302",
  ref: "main",
  ref_type: "branch",
  ref_protected: "true",
  environment: "production",
  ci_config_ref_uri: "gitlab.example/acme/valve//.gitlab-ci.yml@refs/heads/main",
  ...over,
});
