import { api, attestationClaim, attestationEvidence } from "@tenfold/contracts";
import type { FastifyRequest } from "fastify";
import type { z } from "zod";
import { type Clock, type Database, type DeviceHttp, type Http, serve, tlsSocketOf } from "../kernel/index.ts";
import type { Attest } from "./attest.shell.ts";
import type { Attesting } from "./attest-identity.shell.ts";
import type { AttestOperating } from "./attest-operate.shell.ts";
import { listAttestations, listMakers, listPolicies, listReferences } from "./attestation-store.shell.ts";
import { basicOf } from "./device-routes.ts";
import { enrollmentProblems } from "./errors.ts";
import { rememberPeerChains } from "./peer.shell.ts";
import type { RateLimit } from "./rate.ts";

/** What operators ask and change about attestation. */
export function attestRoutes(app: Http, { db, operating }: { db: Database; operating: AttestOperating }): void {
  serve(app, api.listTpmMakers, async ({ scope }) => ({ items: await listMakers(db, scope) }));
  serve(app, api.createTpmMaker, async ({ scope, body, actor }) => operating.trustMaker(scope, { ...body, actor }));
  serve(app, api.deleteTpmMaker, async ({ scope, params, actor }) => {
    await operating.distrustMaker(scope, { id: params.id, actor });
    return { deleted: true as const };
  });
  serve(app, api.listAttestationReferences, async ({ scope }) => ({ items: await listReferences(db, scope) }));
  serve(app, api.createAttestationReference, async ({ scope, body, actor }) => operating.keepReference(scope, { ...body, actor }));
  serve(app, api.retireAttestationReference, async ({ scope, params, actor }) =>
    operating.retireReference(scope, { id: params.id, actor }),
  );
  serve(app, api.listAttestations, async ({ scope, query }) => ({ items: await listAttestations(db, scope, query) }));
  serve(app, api.listAttestationPolicies, async ({ scope }) => ({ items: await listPolicies(db, scope) }));
  serve(app, api.setAttestationPolicy, async ({ scope, params, body, actor }) => {
    await operating.demand(scope, { anchor: params.id, demand: body.demand, actor });
    return { anchor: params.id, demand: body.demand };
  });
  serve(app, api.forgetTpm, async ({ scope, params, body, actor }) => ({
    forgotten: await operating.forgetTpm(scope, { device: params.id, reason: body.reason, actor }),
  }));
}

const mostBytes = 64 * 1024;

/** [docs/protocol/attestation.md] The two steps, beside EST on the devices' HTTPS endpoint. */
export function attestDeviceRoutes(
  app: DeviceHttp,
  { attest, rate, clock }: { attest: Attest; rate: RateLimit; clock: Clock },
): void {
  const peers = rememberPeerChains();
  const whoAsks = (request: FastifyRequest): Attesting => {
    const shown = { chain: peers.of(tlsSocketOf(request)), basic: basicOf(request.headers.authorization) };
    const wait = rate.take(`attest/${shown.chain[0]?.toString("base64") ?? shown.basic?.user ?? request.ip}`, clock.now());
    if (wait === 0) return { shown, remoteAddress: request.ip };
    throw enrollmentProblems.attestation_too_often("This identity attests too often.", { retryAfterS: Math.ceil(wait / 1_000) });
  };
  app.post("/v1/attestations", { bodyLimit: mostBytes }, async (request) =>
    attest.begin(whoAsks(request), read(attestationClaim, request.body)),
  );
  app.post<{ Params: { id: string } }>("/v1/attestations/:id", { bodyLimit: mostBytes }, async (request) =>
    attest.answer(whoAsks(request), { id: request.params.id.slice(0, 64), evidence: read(attestationEvidence, request.body) }),
  );
}

function read<S extends z.ZodType>(schema: S, body: unknown): z.output<S> {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw enrollmentProblems.attestation_malformed(`${issue?.path.join(".") || "The body"}: ${issue?.message ?? "cannot be read"}`, {
    field: issue?.path.join(".") ?? "",
    fix: "Send JSON as docs/protocol/attestation.md says; bytes are base64, PCRs hex.",
  });
}
