import { defaultScope, describeError } from "@tenfold/base";
import { type Certificate, certificateFingerprint, certsOnly } from "@tenfold/pki";
import type { FastifyReply, FastifyRequest } from "fastify";
import { type Clock, type DeviceHttp, type Log, tlsSocketOf } from "../kernel/index.ts";
import type { Refusals } from "./attempt-log.shell.ts";
import { channelBindingOf } from "./channel.shell.ts";
import type { Crl } from "./crl.shell.ts";
import { requestAttributes } from "./csrattrs.ts";
import type { Enroll } from "./enroll.shell.ts";
import { attributesAnswer, certificatesAnswer, type EstAnswer, outcomeAnswer, textAnswer, wrapBase64 } from "./est-answer.ts";
import type { Shown } from "./identify.ts";
import { demandOf } from "./linking.ts";
import { type Ocsp, ocspRoutes } from "./ocsp.shell.ts";
import { rememberPeerChains } from "./peer.shell.ts";
import { hurriedRefusal, type RateLimit } from "./rate.ts";
import { maximumRequestBytes } from "./request.ts";

export type DeviceRouteDeps = {
  enroll: Enroll;
  crl: Crl;
  ocsp: Ocsp;
  /** What devices are to trust now: it changes while authorities are rotated. */
  caCertificates: () => readonly Certificate[];
  linking: "optional" | "required";
  rate: RateLimit;
  refusals: Refusals;
  clock: Clock;
  log: Log;
};

const allMethods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] as const;
/** [E1] A label is an additional path segment and never the name of an operation. */
const label = /^[A-Za-z0-9._~-]{1,64}$/;

/** EST (RFC 7030, RFC 8951) and the revocation list, on the devices' HTTPS endpoint. */
export function deviceRoutes(app: DeviceHttp, deps: DeviceRouteDeps): void {
  app.register(async (est) => {
    // Whatever the body is called, it is read as bytes; its type is judged in `enroll`.
    est.removeAllContentTypeParsers();
    est.addContentTypeParser("*", { parseAs: "buffer", bodyLimit: maximumRequestBytes + 4_096 }, (_request, body, done) =>
      done(null, body),
    );
    est.setErrorHandler((error, _request, reply) => send(reply, failure(deps.log, error)));
    const handle = operationHandler(deps);
    for (const url of ["/.well-known/est/:operation", "/.well-known/est/:label/:operation"])
      est.route({ method: [...allMethods], url, handler: handle });
  });
  ocspRoutes(app, deps.ocsp);
  app.get<{ Params: { file: string } }>("/crl/:file", async (request, reply) => {
    const list = await deps.crl.read(request.params.file);
    if (list === undefined) return send(reply, textAnswer(404, "There is no revocation list of that name."));
    return reply.header("Content-Type", "application/pkix-crl").header("Cache-Control", "max-age=30").send(list);
  });
}

type EstParams = { label?: string; operation: string };

function operationHandler(deps: DeviceRouteDeps) {
  const peers = rememberPeerChains();
  const caBundle = () => certsOnly(deps.caCertificates().map((certificate) => certificate.der));
  // The route's pattern has these parameters.
  const demand = (request: FastifyRequest) => demandOf((request.params as EstParams).label, deps.linking);
  const operations: Record<string, { method: "GET" | "POST"; run: (request: FastifyRequest) => EstAnswer | Promise<EstAnswer> }> = {
    cacerts: { method: "GET", run: (request) => certificatesAnswer(wrapBase64(caBundle(), clientOf(request))) },
    csrattrs: {
      method: "GET",
      run: (request) => attributesAnswer(wrapBase64(requestAttributes(demand(request)), clientOf(request))),
    },
    simpleenroll: { method: "POST", run: (request) => enroll(request, "simpleenroll") },
    simplereenroll: { method: "POST", run: (request) => enroll(request, "simplereenroll") },
    // [E23] A private key would travel; and nobody has asked for full CMC.
    serverkeygen: {
      method: "POST",
      run: () => textAnswer(501, "This server makes no keys for devices: make the key on the device and use simpleenroll."),
    },
    fullcmc: { method: "POST", run: () => textAnswer(501, "Full CMC is not offered: use simpleenroll.") },
  };
  const enroll = async (request: FastifyRequest, operation: "simpleenroll" | "simplereenroll"): Promise<EstAnswer> => {
    const refused = judgeBody(request);
    if (refused !== undefined) return refused;
    const socket = tlsSocketOf(request);
    const shown: Shown = { chain: peers.of(socket), basic: basicOf(request.headers.authorization) };
    const hurried = await limit(deps, { operation, shown, remoteAddress: request.ip });
    if (hurried !== undefined) return outcomeAnswer(hurried, clientOf(request));
    const outcome = await deps.enroll({
      operation,
      body: request.body instanceof Buffer ? request.body : Buffer.alloc(0),
      shown,
      remoteAddress: request.ip,
      linking: { demand: demand(request), binding: channelBindingOf(socket) },
    });
    if (outcome.is !== "issued") return outcomeAnswer(outcome, clientOf(request));
    // [E12] Exactly one certificate: the new one.
    return certificatesAnswer(wrapBase64(certsOnly([outcome.der]), clientOf(request)));
  };
  return async (request: FastifyRequest, reply: FastifyReply) => {
    // The route's pattern has these parameters.
    const params = request.params as EstParams;
    const operation = Object.hasOwn(operations, params.operation) ? operations[params.operation] : undefined;
    const labelled = params.label === undefined || (label.test(params.label) && !Object.hasOwn(operations, params.label));
    if (operation === undefined || !labelled)
      return send(
        reply,
        textAnswer(404, "There is no such EST operation; there are: cacerts, csrattrs, simpleenroll, simplereenroll."),
      );
    if (request.method !== operation.method)
      return send(reply, textAnswer(405, `Use ${operation.method} here.`, { Allow: operation.method }));
    return send(reply, await operation.run(request));
  };
}

type Hurry = { operation: "simpleenroll" | "simplereenroll"; shown: Shown; remoteAddress: string };

/** [E26] Before anything is parsed: what one certificate, one code's serial number or one address may ask in a minute. */
async function limit({ rate, refusals, clock }: DeviceRouteDeps, { operation, shown, remoteAddress }: Hurry) {
  const fingerprint = shown.chain[0] && certificateFingerprint(shown.chain[0]);
  const wait = rate.take(fingerprint ?? shown.basic?.user ?? remoteAddress, clock.now());
  if (wait === 0) return undefined;
  const refused = hurriedRefusal(wait);
  const entry = { ...refused, operation, method: "none", verdict: "refused" } as const;
  await refusals.note(defaultScope, { ...entry, remoteAddress, fingerprint, serial: shown.basic?.user });
  return refused;
}

/** [E5] */
function judgeBody(request: FastifyRequest): EstAnswer | undefined {
  const type = (request.headers["content-type"] ?? "").split(";")[0]?.trim().toLowerCase();
  return type === "application/pkcs10"
    ? undefined
    : textAnswer(415, "Send the certificate request as Content-Type: application/pkcs10.");
}

const clientOf = ({ headers }: FastifyRequest) => ({ userAgent: headers["user-agent"] });

/** [RFC 7617] User and password; undefined when the header is absent or of another scheme. */
export function basicOf(header: string | undefined): Shown["basic"] {
  const encoded = /^Basic ([A-Za-z0-9+/=]+)$/i.exec(header ?? "")?.[1];
  if (encoded === undefined) return undefined;
  const [user = "", ...rest] = Buffer.from(encoded, "base64").toString("utf8").split(":");
  return { user, password: rest.join(":") };
}

// [E7] [E8] Past Fastify, which writes header names in lower case: canonical names and a Content-Length, on every answer.
function send(reply: FastifyReply, { status, headers, body }: EstAnswer): FastifyReply {
  reply.hijack();
  const bytes = Buffer.from(body, "utf8");
  reply.raw.writeHead(status, { ...headers, "Content-Length": String(bytes.length) });
  reply.raw.end(bytes);
  return reply;
}

function failure(log: Log, error: unknown): EstAnswer {
  const status = error instanceof Error && "statusCode" in error ? Number(error.statusCode) : 500;
  if (status === 413) return textAnswer(413, `A certificate request has at most ${maximumRequestBytes} bytes.`);
  if (status >= 400 && status < 500) return textAnswer(status, "The request could not be read.");
  log.error("enrollment.failed", { because: describeError(error) });
  return textAnswer(500, "Something failed on the server; try again later.", { "Retry-After": "60" });
}
