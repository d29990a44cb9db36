import { createHash } from "node:crypto";
import type { FastifyReply, FastifyRequest } from "fastify";
import { type DeviceHttp, tlsSocketOf } from "../../kernel/index.ts";
import { type Action, fetchedAhead } from "./agenda.ts";
import { readConfigData } from "./attributes.ts";
import {
  type About,
  actionAtWork,
  actionToCancel,
  fetchableAction,
  leaseOf,
  noteDownload,
  noteFetch,
  ownAction,
  poll,
  takeAttributes,
  takeFeedback,
} from "./controller.shell.ts";
import type { DdiDeps } from "./deps.ts";
import type { Digests } from "./digests.shell.ts";
import { artifactOf, type Base, cancelDocument, deploymentDocument, fileNameOf, pollDocument, sleepOf } from "./documents.ts";
import { ddiProblems } from "./errors.ts";
import { readFeedback } from "./feedback.ts";
import { type Device, installedAction, markRead } from "./store.ts";

type Parts = DdiDeps & { digests: Digests };
type Asked = { request: FastifyRequest; reply: FastifyReply; of: Device; base: Base };
type Handler = (parts: Parts, asked: Asked) => Promise<FastifyReply>;

const root = "/:fleet/controller/v1/:id";
const largestBody = 128 * 1024;

/** hawkBit's Direct Device Integration, for clients that know nothing of Tenfold (docs/protocol/ddi.md). */
export function deviceRoutes(app: DeviceHttp, parts: Parts): void {
  app.register(async (scope) => {
    // [DDI 5.2] Clients are sloppy; each body is read by what it is for.
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser("*", { parseAs: "buffer", bodyLimit: largestBody }, (_request, body, done) => done(null, body));
    const on = (method: "GET" | "PUT" | "POST", path: string, handler: Handler) =>
      scope.route({ method, url: `${root}${path}`, handler: (request, reply) => enter(parts, { request, reply }, handler) });
    on("GET", "", getPoll);
    on("GET", "/deploymentBase/:action", getDeployment);
    on("POST", "/deploymentBase/:action/feedback", (all, asked) => postFeedback(all, asked, "deployment"));
    on("GET", "/installedBase/:action", getInstalled);
    on("GET", "/cancelAction/:action", getCancel);
    on("POST", "/cancelAction/:action/feedback", (all, asked) => postFeedback(all, asked, "cancel"));
    on("PUT", "/configData", putAttributes);
    on("POST", "/configData", putAttributes);
    // [DDI 9] Confirmation is off: whoever started the rollout has decided.
    on("GET", "/confirmationBase", async (_parts, asked) => answer(asked, { autoConfirm: { active: false } }));
    on("GET", "/softwaremodules/:action/artifacts", listArtifacts);
    on("GET", "/softwaremodules/:action/artifacts/:file", getArtifact);
  });
}

/** [DDI 1, 2] Who asks is what the certificate says; the path must say the same. */
async function enter(parts: Parts, { request, reply }: Pick<Asked, "request" | "reply">, handler: Handler): Promise<FastifyReply> {
  if (tlsSocketOf(request).getPeerX509Certificate() === undefined)
    throw ddiProblems.ddi_certificate_required("DDI needs a client certificate; target and gateway tokens are not taken.", {
      fix: "Give the client the device's operational certificate and key.",
    });
  const { device, scope, issuedAt } = await parts.admitRequest(request);
  const { fleet = "", id = "" } = request.params as { fleet?: string; id?: string };
  // [DDI 1.2] hawkBit writes tenants in capitals and calls the only one DEFAULT; here the certificate has said which fleet it is.
  if (![scope.fleet.toLowerCase(), "default"].includes(fleet.toLowerCase()))
    throw ddiProblems.ddi_fleet_unknown(`The certificate's device is in the fleet ${scope.fleet}.`, {
      fix: `Set the client's tenant to ${scope.fleet}.`,
    });
  if (id !== device)
    throw ddiProblems.ddi_controller_not_own(`The certificate is of device "${device}".`, {
      fix: `Set the client's controller id to ${device}.`,
    });
  parts.contact({ device, at: parts.clock.now(), leaseMs: leaseOf(parts.pollMs) });
  return handler(parts, {
    request,
    reply,
    of: { device, scope, ...(issuedAt === undefined ? {} : { issuedAt }), ...agentOf(request) },
    base: baseOf(request),
  });
}

/** What the client calls itself. */
const agentOf = ({ headers }: FastifyRequest): Pick<Device, "agent"> =>
  headers["user-agent"] === undefined ? {} : { agent: headers["user-agent"] };

/** [DDI 2.3] Links are absolute, and lead where the client came from; hawkBit's only tenant is written as it writes it, which Zephyr's client looks for. */
function baseOf(request: FastifyRequest): Base {
  const { host = "" } = request.headers;
  if (!/^[A-Za-z0-9.:[\]-]{1,120}$/.test(host)) throw ddiProblems.ddi_host_unreadable("The Host header names no host.");
  const { fleet = "", id = "" } = request.params as { fleet?: string; id?: string };
  const tenant = fleet.toLowerCase() === "default" ? "DEFAULT" : fleet;
  return `https://${host}/${tenant}/controller/v1/${id}`;
}

async function getPoll(parts: Parts, asked: Asked): Promise<FastifyReply> {
  const { of, base } = asked;
  const { agenda, attributes } = await poll(parts, of);
  // An artifact whose hashes are still being worked out is offered at the next poll.
  const ready = agenda.is !== "deploy" || (await parts.digests.of(agenda.action.sha256)) !== undefined;
  const installed = await installedAction(parts.db, of);
  return answer(
    asked,
    pollDocument({
      base,
      now: parts.clock.now(),
      sleep: sleepOf(of.device, parts.pollMs),
      agenda: ready ? agenda : { is: "nothing" },
      installed,
      attributes,
    }),
  );
}

async function getDeployment(parts: Parts, asked: Asked): Promise<FastifyReply> {
  const { action, visit } = await actionAtWork(parts, asked.of, actionIn(asked.request));
  const document = await describe(parts, asked, action);
  // Who is to download ahead may leave that for its window (a client that installs as it downloads): only the bytes show that it does not.
  if (document.deployment.update === "forced") await noteFetch(parts, asked.of, action);
  if (fetchedAhead(action)) await noteDownload(parts, asked.of, { action, visit });
  if (action.readAt === undefined) await markRead(parts.db, action.action, parts.clock.now());
  return answer(asked, document);
}

async function getInstalled(parts: Parts, asked: Asked): Promise<FastifyReply> {
  const { action } = await ownAction(parts, asked.of, actionIn(asked.request));
  if (action.state !== "succeeded") throw ddiProblems.ddi_action_unknown(`Action ${action.action} is not installed.`);
  return answer(asked, await describe(parts, asked, action));
}

async function describe(parts: Parts, { request, base, of }: Asked, action: Action) {
  const { actionHistory } = request.query as { actionHistory?: string };
  const wanted = /^(-1|\d{1,3})$/.test(actionHistory ?? "") ? Number(actionHistory) : 0;
  return deploymentDocument({
    base,
    now: parts.clock.now(),
    action,
    ...(await contentOf(parts, of, action)),
    messages: wanted === -1 ? 100 : Math.min(100, wanted),
  });
}

async function contentOf({ db, releases, digests }: Parts, { scope }: Device, { release, sha256, action }: Action) {
  const [found, digest] = await Promise.all([releases.get(db, scope, release), digests.of(sha256)]);
  if (found === undefined || digest === undefined) throw ddiProblems.ddi_action_unknown(`Action ${action} is not ready yet.`);
  return { name: found.name, size: found.artifact.size, digest };
}

async function getCancel(parts: Parts, asked: Asked): Promise<FastifyReply> {
  const { action } = await actionToCancel(parts, asked.of, actionIn(asked.request));
  return answer(asked, cancelDocument(action));
}

async function postFeedback(parts: Parts, asked: Asked, on: About["on"]): Promise<FastifyReply> {
  const action = actionIn(asked.request);
  const feedback = readFeedback(textIn(asked.request));
  if (feedback === undefined)
    throw ddiProblems.ddi_body_unreadable("This is no feedback.", {
      fix: 'Send {"status":{"execution":…,"result":{"finished":…}}} (hawkBit DDI).',
    });
  await takeFeedback(parts, asked.of, { action, feedback, on });
  return answer(asked, {});
}

async function putAttributes(parts: Parts, asked: Asked): Promise<FastifyReply> {
  const told = readConfigData(textIn(asked.request));
  if (told === undefined)
    throw ddiProblems.ddi_body_unreadable("This is no configData.", {
      fix: 'Send {"mode":"merge","data":{"firmware_version":"1.2.0"}}.',
    });
  await takeAttributes(parts, asked.of, told);
  return answer(asked, {});
}

async function listArtifacts(parts: Parts, asked: Asked): Promise<FastifyReply> {
  const { action } = await fetchableAction(parts, asked.of, actionIn(asked.request));
  return answer(asked, [artifactOf({ base: asked.base, action, ...(await contentOf(parts, asked.of, action)) })]);
}

/** [DDI 4.5] The bytes of what the device is to install, or has installed; and their MD5 as `md5sum` prints it. */
async function getArtifact(parts: Parts, asked: Asked): Promise<FastifyReply> {
  const { request, reply, of } = asked;
  const { action, visit } = await fetchableAction(parts, of, actionIn(request));
  const { name, digest } = await contentOf(parts, of, action);
  const filename = fileNameOf({ name, version: action.version, suffix: digest.suffix });
  const { file = "" } = request.params as { file?: string };
  if (file === `${filename}.MD5SUM`) return plain(reply, `${digest.md5}  ${filename}`);
  if (file !== filename)
    throw ddiProblems.ddi_artifact_unknown(`Action ${action.action} has no artifact of this name; it has ${filename}.`);
  if (action.ahead) await noteFetch(parts, of, action);
  await noteDownload(parts, of, { action, visit });
  reply.headers({ "Content-Disposition": `attachment;filename=${filename}`, "X-Content-Type-Options": "nosniff" });
  return parts.releases.sendArtifact(of.scope, action.sha256, { request, reply });
}

function actionIn(request: FastifyRequest): number {
  const { action = "" } = request.params as { action?: string };
  const number = /^[1-9]\d{0,9}$/.test(action) ? Number(action) : 0;
  if (number > 0 && number <= 2_147_483_647) return number;
  throw ddiProblems.ddi_action_unknown("An action is a number that the platform gave out.");
}

function textIn({ body, headers }: FastifyRequest): string {
  // [DDI 2.4]
  if (/cbor/i.test(headers["content-type"] ?? ""))
    throw ddiProblems.ddi_media_type_unknown("CBOR is not taken here.", { fix: "Send JSON." });
  return Buffer.isBuffer(body) ? body.toString("utf8") : "";
}

/** [DDI 2.1, 2.2] Always 200 with an exact length; 304 only for who asked for it. */
async function answer({ request, reply }: Asked, document: unknown): Promise<FastifyReply> {
  const body = Buffer.from(JSON.stringify(document));
  const etag = `"${createHash("md5").update(body).digest("hex")}"`;
  reply.headers({ ETag: etag, "Cache-Control": "no-store" });
  if (request.method === "GET" && request.headers["if-none-match"] === etag) return reply.status(304).send();
  return reply.status(200).header("Content-Type", "application/hal+json").header("Content-Length", String(body.length)).send(body);
}

const plain = (reply: FastifyReply, text: string): FastifyReply =>
  reply.status(200).header("Content-Type", "text/plain").send(text);
