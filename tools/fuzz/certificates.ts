/** What is read before anybody is known: requests, certificates, lists. What is not right is a problem with a code, never another error. */
import { Problem } from "@tenfold/base";
import { parseManifest } from "@tenfold/contracts";
import {
  certsOnly,
  createAuthority,
  createCsr,
  createRoot,
  fromPem,
  issueCrl,
  issuerOf,
  makeDeviceIdentity,
  makeManufacturer,
  newDeviceKey,
  newSigner,
  oids,
  readCertificate,
  readCertsOnly,
  readCrl,
  readCsr,
  signCms,
  toPem,
  validateDerChain,
  verifyCms,
} from "@tenfold/pki";
import { readRequest } from "../../apps/platform/src/enrollment/request.ts";
import { mutate } from "./mutate.ts";
import { pure, type Target } from "./target.ts";

const at = Date.UTC(2026, 0);

/** Runs a reader that may refuse with a problem of 4xx. */
function refusable(read: () => unknown): void {
  try {
    read();
  } catch (error) {
    if (!(error instanceof Problem) || error.status >= 500) throw error;
  }
}

const request = async (): Promise<Buffer> =>
  createCsr({
    key: newDeviceKey(),
    subject: [{ type: oids.commonName, value: "pump-1" }],
    alternativeNames: [{ kind: "dns", value: "pump-1" }],
  });

export const certificateTargets: Target[] = [
  pure("csr", 5, async () => {
    const corpus = [await request(), await request()];
    return (random) => refusable(() => readCsr(mutate(random, corpus)));
  }),
  pure("est-body", 5, async () => {
    const der = await request();
    const corpus = [Buffer.from(der.toString("base64")), Buffer.from(toPem("CERTIFICATE REQUEST", der))];
    return (random) => {
      const answer = readRequest(mutate(random, corpus));
      if ("status" in answer && answer.status >= 500) throw new Error(`answered ${answer.status}`);
    };
  }),
  pure("certificate", 8, async () => {
    const manufacturer = await makeManufacturer({ name: "Fuzz", now: at - 60_000 });
    const identity = await makeDeviceIdentity({ manufacturer, serial: "pump-1", notBefore: at - 60_000 });
    const own = await createAuthority(at - 60_000);
    const anchors = [manufacturer.certificate, own.root.certificate];
    const [leaf = Buffer.alloc(0)] = fromPem("CERTIFICATE", identity.certificatePem);
    const corpus = [leaf, own.issuing.certificate.der, own.root.certificate.der, manufacturer.certificate.der].map((der) =>
      Buffer.from(der),
    );
    return (random) => {
      const der = mutate(random, corpus);
      refusable(() => readCertificate(der));
      const verdict = validateDerChain({ chain: [der, own.issuing.certificate.der], anchors, at, usage: "device" });
      if (verdict.is === "valid" && !corpus.some((known) => known.equals(der))) throw new Error("a changed certificate is valid");
    };
  }),
  pure("manifest", 3, () => {
    const corpus = [
      'serial,model,tag:site\npump-1,p100,"oslo, ""north"""\n',
      "serial;model\r\na;b\r\n",
      '{"entries":[{"serial":"a","tags":{"k":"v"}}]}',
    ].map((text) => Buffer.from(text));
    return (random) => refusable(() => parseManifest(mutate(random, corpus).toString("utf8")));
  }),
  pure("signed-manifest", 4, async () => {
    const content = Buffer.from("serial,model\npump-1,p100\n");
    const [key, other] = [newSigner(), newSigner()];
    const { certificate } = await createRoot({ signer: key, name: [{ type: oids.commonName, value: "Fuzz" }], now: at - 60_000 });
    const wish = { content, signer: key, signedAt: at } as const;
    const corpus = [
      await signCms({ ...wish, form: "detached" }),
      await signCms({ ...wish, certificate, form: "detached" }),
      await signCms({ ...wish, certificate, form: "attached" }),
      await signCms({ ...wish, signer: other, form: "attached" }),
    ];
    return (random) => {
      const input = mutate(random, corpus);
      const beside = random() < 0.7 ? { content: random() < 0.5 ? content : mutate(random, [content]) } : {};
      refusable(() => {
        const verdict = verifyCms({ message: input, keys: [key.publicKey], ...beside });
        if (verdict.is === "signed" && !verdict.content.equals(content))
          throw new Error("something that was not signed is believed");
      });
    };
  }),
  pure("crl-pkcs7-pem", 4, async () => {
    const { issuing, root } = await createAuthority(at - 60_000);
    const crl = await issueCrl({
      issuer: issuerOf(issuing),
      number: 3,
      thisUpdate: at,
      nextUpdate: at + 86_400_000,
      revoked: [{ serialNumber: "0102", at, reason: "keyCompromise" }],
    });
    const bag = certsOnly([issuing.certificate.der, root.certificate.der]);
    const text = toPem("CERTIFICATE", root.certificate.der);
    const corpus = [crl, bag, Buffer.from(text)];
    return (random) => {
      const input = mutate(random, corpus);
      refusable(() => readCrl(input));
      refusable(() => readCertsOnly(input));
      refusable(() => fromPem("CERTIFICATE", input.toString("latin1")));
    };
  }),
];
