/** What pipelines send: the headers of an upload, the form of a token exchange, and documents about a release. */
import { Problem } from "@tenfold/base";
import { readExchangeForm } from "../../apps/platform/src/access/oidc/form.ts";
import { assertCycloneDx } from "../../apps/platform/src/releases/attachments/cyclonedx.shell.ts";
import { readProvenance } from "../../apps/platform/src/releases/attachments/provenance.ts";
import { nesting, readSbom } from "../../apps/platform/src/releases/attachments/sbom.ts";
import { assertVersion, readCreation, readOffset } from "../../apps/platform/src/releases/uploads/tus.ts";
import { mutate, pick, type Random, sentence } from "./mutate.ts";
import { pure, type Target } from "./target.ts";

/** Runs a reader; a refusal must be one of the closed list, for people, and a client's fault. What is read is handed on. */
async function read<T>(reader: () => T | Promise<T>): Promise<T | undefined> {
  try {
    return await reader();
  } catch (error) {
    if (!(error instanceof Problem) || error.status >= 500) throw error;
    if (error.message === "" || error.message.length > 20_000) throw new Error("refused without a usable reason", { cause: error });
    return undefined;
  }
}

const sha256 = "ab".repeat(32);
const named = `sha256 ${Buffer.from(sha256).toString("base64")}`;
const headerWords = [
  named,
  "sha256",
  "filename d29ybGQ=",
  ",",
  ",,",
  "0",
  "1",
  "-1",
  "1e3",
  "999999999999999",
  "9".repeat(40),
  "1.0.0",
  "0.2.2",
  "=",
  "\u00e9",
];
const headerNames = ["upload-length", "upload-offset", "upload-metadata", "tus-resumable", "upload-defer-length", "__proto__"];

function headersOf(random: Random): Record<string, string | string[]> {
  const headers: Record<string, string | string[]> = {
    "tus-resumable": "1.0.0",
    "upload-length": "1000",
    "upload-metadata": named,
  };
  for (let changed = 0; changed < 1 + random() * 3; changed += 1) {
    const text = mutate(random, [Buffer.from(sentence(random, headerWords))]).toString("latin1");
    headers[pick(random, headerNames)] = random() < 0.1 ? [text, named] : text;
  }
  return headers;
}

const tus = pure("tus-headers", 3, () => async (random) => {
  const headers = headersOf(random);
  await read(() => assertVersion(headers));
  const offset = await read(() => readOffset(headers));
  if (offset !== undefined && !(Number.isSafeInteger(offset) && offset >= 0)) throw new Error(`an offset of ${offset}`);
  const creation = await read(() => readCreation(headers));
  if (creation && !(/^[0-9a-f]{64}$/.test(creation.sha256) && Number.isSafeInteger(creation.size) && creation.size > 0))
    throw new Error(`taken as ${JSON.stringify(creation)}`);
});

const exchange = "urn:ietf:params:oauth:grant-type:token-exchange";
const idToken = "urn:ietf:params:oauth:token-type:id_token";
const good = new URLSearchParams({
  grant_type: exchange,
  subject_token: "e30.e30.c2ln",
  subject_token_type: idToken,
  scope: "viewer",
});
const formWords = [...good].flat().concat(["&", "=", "+", "%00", "%ff", "subject_token", "requested_token_type", "%25", "a b"]);

const form = pure("token-exchange", 3, () => (random) => {
  const text = random() < 0.5 ? mutate(random, [Buffer.from(good.toString())]).toString("latin1") : sentence(random, formWords);
  const asked = new URLSearchParams(text);
  const taken = readExchangeForm(asked);
  if (
    taken.is === "form" &&
    (taken.token === "" || asked.getAll("subject_token").length !== 1 || asked.get("grant_type") !== exchange)
  )
    throw new Error(`taken from ${text.slice(0, 300)}`);
});

const sbomText = Buffer.from(
  JSON.stringify({
    ...{ bomFormat: "CycloneDX", specVersion: "1.6", version: 1, serialNumber: "urn:uuid:3e671687-395b-41f5-a30f-a58921a69b79" },
    metadata: { component: { type: "firmware", name: "pump", hashes: [{ alg: "SHA-256", content: sha256 }] } },
    components: [
      {
        ...{ type: "library", name: "openssl", version: "3.0.14", purl: "pkg:deb/debian/openssl@3.0.14" },
        licenses: [{ license: { id: "Apache-2.0" } }, { license: { name: "own" } }],
        components: [{ type: "file", name: "libssl.so" }],
      },
    ],
    vulnerabilities: [{ id: "CVE-2024-0001" }],
  }),
);

/** As the server takes a document in: JSON, not too deep. */
function parsed(text: string): unknown {
  if (nesting(text) > 64) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const sbom = pure("sbom", 1, () => async (random) => {
  const text = mutate(random, [sbomText]).toString("utf8");
  const document = parsed(text);
  if (document === undefined) return;
  const taken = await read(async () => {
    await assertCycloneDx(text, document);
    return readSbom(document, { sha256 });
  });
  for (const { name, version = "", purl = "" } of taken?.components ?? [])
    if (name.length > 500 || version.length > 200 || purl.length > 1_000) throw new Error("a component is longer than it may be");
});

const statement = {
  _type: "https://in-toto.io/Statement/v1",
  subject: [{ name: "pump.bin", digest: { sha256 } }],
  predicateType: "https://slsa.dev/provenance/v1",
  predicate: {
    buildDefinition: {
      buildType: "https://builder.example/make/v1",
      externalParameters: {},
      resolvedDependencies: [{ uri: "git+https://git.example/pump" }],
    },
    runDetails: { builder: { id: "https://builder.example" }, metadata: { invocationId: "1", finishedOn: "2026-01-02T03:04:05Z" } },
  },
};
const dsse = {
  payloadType: "application/vnd.in-toto+json",
  payload: Buffer.from(JSON.stringify(statement)).toString("base64"),
  signatures: [{ keyid: "ab", sig: Buffer.alloc(64).toString("base64") }],
};
const bundle = { mediaType: "application/vnd.dev.sigstore.bundle.v0.3+json", dsseEnvelope: dsse };

const provenance = pure("provenance", 3, () => {
  const corpus = [statement, dsse, bundle].map((one) => Buffer.from(JSON.stringify(one)));
  return async (random) => {
    const document = parsed(mutate(random, corpus).toString("utf8"));
    if (document === undefined) return;
    const taken = await read(() => readProvenance(document, { sha256 }));
    if (taken && taken.provenance.builder === "") throw new Error("nobody built it");
  };
});

export const pipelineTargets: Target[] = [tus, form, sbom, provenance];
