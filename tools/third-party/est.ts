/** Devices made of nothing but `openssl` and `curl`: they enroll, renew, wait for approval, and are refused where they must be. */
import assert from "node:assert/strict";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseManifest } from "../../packages/contracts/src/index.ts";
import type { RunningPlatform } from "../running-platform.ts";
import { type ClientRow, clientTable, enrollByStrongswan, versionOf } from "./est-clients.ts";
import { enrollByLibest } from "./est-libest.ts";
import { enrollByBouncyCastle, enrollByEstCa } from "./est-libraries.ts";
import { sh } from "./shell-device.ts";
import { type Counts, same, steps } from "./steps.ts";

export async function run(platform: RunningPlatform): Promise<Counts> {
  const suite = steps("EST with openssl and curl");
  const shop = await openWorkshop(platform);
  await trustTheFactory(platform, shop, suite);
  await enrollByIdevid(shop, suite);
  await enrollByCode(platform, shop, suite);
  await waitForApproval(platform, shop, suite);
  await refusals(platform, shop, suite);
  await askOcsp(platform, shop, suite);
  const mine: ClientRow = {
    client: "curl + openssl",
    version: `${versionOf("curl")}, ${versionOf("openssl")}`,
    does: ["cacerts", "csrattrs", "enroll by IDevID", "enroll by code", "renew with a new key", "wait for approval (202)", "OCSP"],
  };
  const call: Call = (method, path, body) => api(platform, method, path, body);
  const swan = await enrollByStrongswan(platform, { shop, suite, call });
  const libest = await enrollByLibest(platform, { shop, suite, call });
  const castle = await enrollByBouncyCastle(platform, { shop, suite, call });
  const rust = await enrollByEstCa(platform, { shop, suite, call });
  const table = clientTable([...(suite.failed === 0 ? [mine] : []), libest, swan, castle, rust]);
  console.log(table);
  if (process.argv.includes("--write") && suite.failed === 0) await writeFile("docs/protocol/est-clients.md", table);
  return { passed: suite.passed, failed: suite.failed };
}

type Call = (method: string, path: string, body?: unknown) => Promise<Response>;
type Suite = ReturnType<typeof steps>;
type Workshop = Awaited<ReturnType<typeof openWorkshop>>;
type Credential = { cert: string; key: string } | { user: string; code: string } | Record<string, never>;
type Answer = { status: number; body: string; headers: string };

const ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];

/** A factory with its CA, and the curl that devices use. */
async function openWorkshop({ dir, ca, deviceUrl }: RunningPlatform) {
  const home = join(dir, "est");
  await mkdir(home, { recursive: true });
  const at = (name: string) => join(home, name);

  const makeCa = (name: string) =>
    sh(
      "openssl",
      "req",
      "-x509",
      ...ec,
      "-keyout",
      at(`${name}.key`),
      "-out",
      at(`${name}.pem`),
      "-subj",
      `/O=${name}/CN=${name} Device CA`,
      "-days",
      "3650",
    );

  /** An IDevID: its serial number in the subject; `dates` as `openssl ca` takes them. */
  const makeIdevid = async (factory: string, serial: string, { start = "20250101000000Z", end = "99991231235959Z" } = {}) => {
    const name = `${factory}-${serial}`;
    await sh(
      "openssl",
      "req",
      "-new",
      ...ec,
      "-keyout",
      at(`${name}.key`),
      "-subj",
      `/serialNumber=${serial}`,
      "-out",
      at(`${name}.csr`),
    );
    await writeFile(at(`${name}.index`), "");
    await writeFile(
      at(`${name}.cnf`),
      `[ca]\ndefault_ca=d\n[d]\ndatabase=${at(`${name}.index`)}\nnew_certs_dir=${home}\nrand_serial=yes\ndefault_md=sha256\npolicy=p\nx509_extensions=e\nunique_subject=no\n[p]\nserialNumber=supplied\n[e]\nbasicConstraints=critical,CA:false\nkeyUsage=critical,digitalSignature\n`,
    );
    await sh(
      "openssl",
      "ca",
      "-batch",
      "-notext",
      "-config",
      at(`${name}.cnf`),
      "-cert",
      at(`${factory}.pem`),
      "-keyfile",
      at(`${factory}.key`),
      "-in",
      at(`${name}.csr`),
      "-out",
      at(`${name}.pem`),
      "-startdate",
      start,
      "-enddate",
      end,
    );
    return { cert: at(`${name}.pem`), key: at(`${name}.key`) };
  };

  /** A new key and a request for it, in base64 as OpenSSL writes it. */
  const makeRequest = async (name: string, commonName: string) => {
    await sh(
      "openssl",
      "req",
      "-new",
      ...ec,
      "-keyout",
      at(`${name}.key`),
      "-subj",
      `/CN=${commonName}`,
      "-outform",
      "DER",
      "-out",
      at(`${name}.der`),
    );
    await sh("openssl", "base64", "-in", at(`${name}.der`), "-out", at(`${name}.b64`));
    return { request: at(`${name}.b64`), key: at(`${name}.key`) };
  };

  const curl = async (path: string, credential: Credential, ...more: string[]): Promise<Answer> => {
    const [body, headers] = [at("answer"), at("headers")];
    await writeFile(body, "");
    const shown =
      "cert" in credential
        ? ["--cert", credential.cert, "--key", credential.key]
        : "user" in credential
          ? ["-u", `${credential.user}:${credential.code}`]
          : [];
    const status = await sh(
      "curl",
      "-sS",
      "--max-time",
      "20",
      "--cacert",
      ca,
      ...shown,
      "-o",
      body,
      "-D",
      headers,
      "-w",
      "%{http_code}",
      ...more,
      `${deviceUrl}/.well-known/est/${path}`,
    );
    return { status: Number(status), body: await readFile(body, "utf8"), headers: await readFile(headers, "utf8") };
  };
  const post = (path: string, request: string, credential: Credential) =>
    curl(path, credential, "-H", "Content-Type: application/pkcs10", "--data-binary", `@${request}`);

  /** The certificates in an answer, PEM, read by OpenSSL alone. */
  const certificates = async (name: string, { body }: Answer) => {
    await writeFile(at(`${name}.p7.b64`), body);
    await sh("openssl", "base64", "-d", "-in", at(`${name}.p7.b64`), "-out", at(`${name}.p7`));
    await writeFile(at(`${name}.pem`), await sh("openssl", "pkcs7", "-inform", "DER", "-in", at(`${name}.p7`), "-print_certs"));
    return at(`${name}.pem`);
  };
  const subjectOf = async (cert: string) =>
    (await sh("openssl", "x509", "-in", cert, "-noout", "-subject")).trim().replace(/\s*=\s*/g, "=");
  return { at, makeCa, makeIdevid, makeRequest, curl, post, certificates, subjectOf };
}

async function trustTheFactory(
  platform: RunningPlatform,
  { at, makeCa, curl, certificates }: Workshop,
  { step }: Suite,
): Promise<void> {
  await makeCa("acme");
  await makeCa("stranger");
  await step("the factory's CA becomes a trust anchor, and its serial numbers a manifest", async () => {
    const made = await api(platform, "POST", "/trust-anchors", {
      name: "Acme",
      certificatePem: await readFile(at("acme.pem"), "utf8"),
    });
    same(made.status, 201);
    const entries = parseManifest("serial,model,tag:site\nsn-1,p100,oslo\nsn-2,p100,berlin\n");
    same(await (await api(platform, "POST", "/manifests", { entries })).json(), { expected: 2, already: 0 });
  });
  await step("cacerts answers before any credential, and OpenSSL builds our chain from it", async () => {
    const answer = await curl("cacerts", {});
    same(answer.status, 200);
    assert.match(answer.headers, /^Content-Type: application\/pkcs7-mime; smime-type=certs-only\r$/m);
    assert.match(answer.headers, /^Content-Length: \d+\r$/m);
    const chain = await certificates("cacerts", answer);
    assert.match(
      await sh("openssl", "verify", "-x509_strict", "-CAfile", platform.ca, "-untrusted", chain, platform.issuingCert),
      /OK/,
    );
  });
  await step("csrattrs is DER that OpenSSL can read, and names P-256", async () => {
    await writeFile(at("attributes.b64"), (await curl("csrattrs", {})).body);
    await sh("openssl", "base64", "-d", "-in", at("attributes.b64"), "-out", at("attributes.der"));
    assert.match(await sh("openssl", "asn1parse", "-inform", "DER", "-in", at("attributes.der")), /prime256v1/);
  });
}

async function enrollByIdevid(
  { at, makeIdevid, makeRequest, post, certificates, subjectOf }: Workshop,
  { step }: Suite,
): Promise<void> {
  const idevid = await makeIdevid("acme", "sn-1");
  const first = await makeRequest("sn-1", "a wish");
  const mine = { cert: at("sn-1.pem"), key: first.key };
  await step("a device of the manifest enrolls with its IDevID and is named by its serial number", async () => {
    const answer = await post("simpleenroll", first.request, idevid);
    same([answer.status, answer.status === 200 ? "" : answer.body], [200, ""]);
    await certificates("sn-1", answer);
    same(await subjectOf(mine.cert), "subject=CN=sn-1");
    const text = await sh("openssl", "x509", "-in", mine.cert, "-noout", "-text");
    assert.match(text, /URI:urn:tenfold:main:device:sn-1/);
    assert.match(text, /TLS Web Client Authentication/);
  });
  await step("the same request again brings the same certificate", async () => {
    const again = await certificates("sn-1-again", await post("simpleenroll", first.request, idevid));
    same(await readFile(again, "utf8"), await readFile(mine.cert, "utf8"));
  });
  await step("it renews with that certificate and a new key", async () => {
    const second = await makeRequest("sn-1-renewed", "sn-1");
    const answer = await post("simplereenroll", second.request, mine);
    same([answer.status, answer.status === 200 ? "" : answer.body], [200, ""]);
    same(await subjectOf(await certificates("sn-1-renewed", answer)), "subject=CN=sn-1");
  });
  await step("a renewal under another name is refused", async () => {
    const other = await makeRequest("sn-1-other", "sn-2");
    refusedWith(await post("simplereenroll", other.request, mine), 403, "subject_differs");
  });
}

async function enrollByCode(
  platform: RunningPlatform,
  { makeRequest, post, certificates, subjectOf }: Workshop,
  { step }: Suite,
): Promise<void> {
  const { request } = await makeRequest("board-7", "board-7");
  await step("a board enrolls with a one-time code, once", async () => {
    const made = await api(platform, "POST", "/enrollment-codes", { serial: "board-7" });
    const { code } = (await made.json()) as { code: string };
    refusedWith(await post("simpleenroll", request, { user: "board-7", code: "wrong" }), 401, "code_wrong");
    const answer = await post("simpleenroll", request, { user: "board-7", code });
    same([answer.status, answer.status === 200 ? "" : answer.body], [200, ""]);
    same(await subjectOf(await certificates("board-7", answer)), "subject=CN=board-7");
    const other = await makeRequest("board-7-copy", "board-7");
    refusedWith(await post("simpleenroll", other.request, { user: "board-7", code }), 401, "code_spent");
  });
  await step("a code of another serial number is refused", async () => {
    const made = await api(platform, "POST", "/enrollment-codes", { serial: "board-8" });
    const { code } = (await made.json()) as { code: string };
    refusedWith(await post("simpleenroll", request, { user: "board-9", code }), 401, "code_unknown");
  });
}

async function waitForApproval(
  platform: RunningPlatform,
  { makeIdevid, makeRequest, post }: Workshop,
  { step }: Suite,
): Promise<void> {
  await step("a device that nobody announced is told to wait, is approved, and then enrolls", async () => {
    const idevid = await makeIdevid("acme", "sn-77");
    const { request } = await makeRequest("sn-77", "sn-77");
    const waiting = await post("simpleenroll", request, idevid);
    same([waiting.status, waiting.body], [202, ""]);
    assert.match(waiting.headers, /^Retry-After: \d+\r$/m);
    const { items } = (await (await api(platform, "GET", "/enrollments/pending")).json()) as {
      items: { id: string; serial: string }[];
    };
    const pending = items.find(({ serial }) => serial === "sn-77");
    same((await api(platform, "POST", `/enrollments/pending/${pending?.id}/approve`)).status, 200);
    same((await post("simpleenroll", request, idevid)).status, 200);
  });
}

async function askOcsp(platform: RunningPlatform, { at }: Workshop, { step }: Suite): Promise<void> {
  await step("OpenSSL asks about the certificate by OCSP and believes the answer", async () => {
    const question = ["-issuer", platform.issuingCert, "-cert", at("sn-1.pem")];
    await sh("openssl", "ocsp", ...question, "-reqout", at("ocsp.req"));
    const type = ["-H", "Content-Type: application/ocsp-request"];
    const body = ["--data-binary", `@${at("ocsp.req")}`, "-o", at("ocsp.res")];
    await sh("curl", "-sS", "--max-time", "20", "--cacert", platform.ca, ...type, ...body, `${platform.deviceUrl}/ocsp`);
    const trust = ["-CAfile", platform.ca, "-verify_other", platform.issuingCert, "-no_nonce"];
    assert.match(await sh("openssl", "ocsp", "-respin", at("ocsp.res"), ...question, ...trust), /: good/);
  });
}

async function refusals(
  platform: RunningPlatform,
  { at, makeIdevid, makeRequest, post, curl }: Workshop,
  { step }: Suite,
): Promise<void> {
  const { request } = await makeRequest("sn-2", "sn-2");
  await step("an IDevID of another CA is refused", async () =>
    refusedWith(await post("simpleenroll", request, await makeIdevid("stranger", "sn-2")), 403, "issuer_unknown"),
  );
  await step("an IDevID that has expired is refused", async () =>
    refusedWith(
      await post("simpleenroll", request, await makeIdevid("acme", "sn-2", { end: "20250201000000Z" })),
      403,
      "certificate_expired",
    ),
  );
  await step("a device without any credential is asked for one", async () => {
    const answer = await post("simpleenroll", request, {});
    refusedWith(answer, 401, "not_authenticated");
    assert.match(answer.headers, /^WWW-Authenticate: Basic realm="estrealm"\r$/m);
  });
  await step("a broken request, a wrong type and a wrong method are told apart", async () => {
    await writeFile(at("broken.b64"), "MIIB broken");
    same((await post("simpleenroll", at("broken.b64"), {})).status, 400);
    same((await curl("simpleenroll", {}, "-H", "Content-Type: text/plain", "--data-binary", "x")).status, 415);
    same((await curl("simpleenroll", {})).status, 405);
    same((await curl("nothing", {})).status, 404);
  });
  await step("every one of these refusals stands in the attempt log, with the step and the fix", async () => {
    const answer = await api(platform, "GET", "/enrollments?verdict=refused&limit=100");
    const { items } = (await answer.json()) as { items: { because: string; step: string; fix?: string }[] };
    for (const because of [
      "issuer_unknown",
      "certificate_expired",
      "code_wrong",
      "code_spent",
      "code_unknown",
      "subject_differs",
      "not_authenticated",
      "request_malformed",
    ]) {
      const entry = items.find((item) => item.because === because);
      assert.ok(entry?.step && entry.fix, `${because} is not in the log`);
    }
  });
}

function refusedWith({ status, body }: Answer, wanted: number, because: string): void {
  same([status, body.split(":")[0]], [wanted, because]);
}

const api = ({ url, token }: RunningPlatform, method: string, path: string, body?: unknown): Promise<Response> =>
  fetch(new URL(`/api/v1${path}`, url), {
    method,
    headers: { authorization: `Bearer ${token}`, ...(body === undefined ? {} : { "content-type": "application/json" }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(20_000),
  });
