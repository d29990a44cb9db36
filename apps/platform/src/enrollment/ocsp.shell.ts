import { hours, Problem } from "@tenfold/base";
import {
  type Authority,
  isIssuedBy,
  issueOcspResponse,
  issuerOf,
  type OcspCertId,
  type OcspStatus,
  ocspError,
  readOcspRequest,
} from "@tenfold/pki";
import type { FastifyReply } from "fastify";
import type { Clock, Database, DeviceHttp } from "../kernel/index.ts";
import { statusesOf } from "./certificate-store.shell.ts";

/** Answers an OCSP request (RFC 6960), DER; what cannot be read or is not ours gets the protocol's own unsigned error. */
export type Ocsp = (request: Uint8Array) => Promise<Buffer>;

/** How long an answer may be kept. Ours ask the registry; who asks here accepts this delay. */
const goodFor = hours(1);

/** Answers from the registry for every issuing CA whose key we hold. Each answer is signed by the CA that issued what is asked about. */
export function createOcsp({ db, clock, issuers }: { db: Database; clock: Clock; issuers: () => readonly Authority[] }): Ocsp {
  return async (request) => {
    let asked: ReturnType<typeof readOcspRequest>;
    try {
      asked = readOcspRequest(request);
    } catch (error) {
      if (error instanceof Problem) return ocspError("malformed_request");
      throw error;
    }
    // [RFC 6960 2.3] "unauthorized": not a CA for which we can answer.
    const authority = issuers().find(({ certificate }) => asked.ids.some((id) => isIssuedBy(id, certificate)));
    if (authority === undefined) return ocspError("unauthorized");
    const now = clock.now();
    const known = await statusesOf(
      db,
      asked.ids.map(({ serialNumber }) => serialNumber),
    );
    const statusOf = (id: OcspCertId): OcspStatus =>
      (isIssuedBy(id, authority.certificate) ? known.get(id.serialNumber) : undefined) ?? { is: "unknown" };
    return issueOcspResponse({
      issuer: issuerOf(authority),
      producedAt: now,
      nextUpdate: now + goodFor,
      answers: asked.ids.map((id) => ({ id, status: statusOf(id) })),
      nonce: asked.nonce,
    });
  };
}

/** [RFC 6960 A.1] POST with the request as body, and GET with its base64 in the path. */
export function ocspRoutes(app: DeviceHttp, ocsp: Ocsp): void {
  const answer = (reply: FastifyReply, body: Buffer) => reply.header("Content-Type", "application/ocsp-response").send(body);
  app.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser("*", { parseAs: "buffer", bodyLimit: 16 * 1024 }, (_request, body, done) => done(null, body));
    scope.post("/ocsp", async ({ body }, reply) => answer(reply, await ocsp(body instanceof Buffer ? body : Buffer.alloc(0))));
    scope.get<{ Params: { "*": string } }>("/ocsp/*", async ({ params }, reply) =>
      answer(reply, await ocsp(Buffer.from(params["*"], "base64"))),
    );
  });
}
