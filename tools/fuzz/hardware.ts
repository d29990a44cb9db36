/** What devices say of their TPMs, and what a token's helper answers: nothing in it may bring more than a problem with a code. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { Problem } from "@tenfold/base";
import { judgeClaim, judgeEvidence, makeCredential, readCertificate, readTpmPublic } from "@tenfold/pki";
import { frame, RpcReader, RpcWriter, readMessage, takeFrame, writeMessage } from "../../packages/pki/src/pkcs11/rpc.ts";
import { serveToken } from "../../packages/pki/src/pkcs11/token-server.ts";
import { readPkcs11Uri } from "../../packages/pki/src/pkcs11/uri.ts";
import { readTpmUri } from "../../packages/pki/src/tpm/address.ts";
import { readAttest, verifyTpmSignature } from "../../packages/pki/src/tpm/attest.ts";
import { readKeyFile } from "../../packages/pki/src/tpm/key-file.ts";
import { mutate } from "./mutate.ts";
import { pure, type Target } from "./target.ts";

/** Runs a reader that may refuse with a problem. */
function refusable(read: () => unknown, most = 500): void {
  try {
    read();
  } catch (error) {
    if (!(error instanceof Problem) || error.status >= most) throw error;
  }
}

// Recorded from swtpm: structures that a real TPM implementation made.
const recorded = JSON.parse(readFileSync(new URL("../../packages/pki/src/tpm/recorded.json", import.meta.url), "utf8")) as Record<
  "ekRsa" | "ek384" | "ekCertificate" | "ak" | "key" | "certify" | "quote" | "signature",
  string
>;
const bytes = (name: keyof typeof recorded) => Buffer.from(recorded[name], "base64");
const nothing = (size: number) => Buffer.alloc(size, 7);

export const hardwareTargets: Target[] = [
  pure("tpm-public", 5, () => {
    const corpus = [bytes("ekRsa"), bytes("ek384"), bytes("ak"), bytes("key")];
    return (random) =>
      refusable(() => {
        const area = readTpmPublic(mutate(random, corpus));
        makeCredential(area, { akName: area.name, secret: nothing(32), entropy: nothing });
      });
  }),
  pure("tpm-attest", 5, () => {
    const [ak, key] = [readTpmPublic(bytes("ak")), readTpmPublic(bytes("key"))];
    const corpus = [bytes("certify"), bytes("quote")];
    return (random) => {
      const attest = mutate(random, corpus);
      const signature = mutate(random, [bytes("signature")]);
      refusable(() => readAttest(attest));
      refusable(() => {
        const good = verifyTpmSignature(ak, { bytes: attest, signature });
        if (good && !attest.equals(bytes("quote"))) throw new Error("a changed quote is signed");
      });
      const secret = nothing(32);
      const secretHash = createHash("sha256").update(secret).digest();
      const signed = { attest, signature };
      const verdict = judgeEvidence(
        { secret, certify: signed, quote: signed, pcrs: new Map() },
        { ak, key, secretHash, nonce: nothing(32), pcrs: [0], before: undefined },
      );
      if (verdict.is === "proven") throw new Error("a changed attestation is believed");
    };
  }),
  pure("tpm-claim", 4, () => {
    const certificate = bytes("ekCertificate");
    const anchors = [readCertificate(certificate)];
    const corpus = [certificate];
    return (random) => {
      const claim = { ek: bytes("ek384"), ekCertificates: [mutate(random, corpus)], ak: bytes("ak"), key: bytes("key") };
      const verdict = judgeClaim(claim, { anchors, at: Date.now() });
      if (verdict.is === "plausible") throw new Error("a certificate that no maker signed is believed");
    };
  }),
  pure("pkcs11-rpc", 4, () => {
    const attributes = new RpcWriter(2).ulong(1).attributes([
      { type: 0, value: 3n },
      { type: 3, value: Buffer.from("device") },
      { type: 1, value: true },
    ]);
    const corpus = [
      frame(1, writeMessage("C_FindObjectsInit", "request", attributes.done())),
      frame(2, writeMessage("C_Sign", "request", new RpcWriter(2).ulong(1).bytes(nothing(32)).room(256).done())),
      frame(
        3,
        writeMessage(
          "C_GetAttributeValue",
          "request",
          new RpcWriter(2)
            .ulong(1)
            .ulong(1)
            .roomForAttributes([{ type: 3, size: 9 }])
            .done(),
        ),
      ),
      frame(4, writeMessage("C_FindObjects", "response", new RpcWriter(2).ulongs([1n, 2n]).done())),
    ];
    return async (random) => {
      const input = mutate(random, corpus);
      // What the helper answers is its word against ours: 503.
      refusable(() => takeFrame(input), 600);
      const message = input.subarray(12);
      refusable(() => {
        const { values } = readMessage(message, "response");
        new RpcReader(values, 2).attributes();
      }, 600);
      const answer = await serveToken(() => [], 2)(message);
      readMessage(answer, "response");
    };
  }),
  pure("key-uri", 2, () => {
    const corpus = [
      "pkcs11:token=My%20token;object=dev?module-path=/lib/p.so&pin-source=file:/etc/pin",
      "tpm:handle=0x81000010?swtpm=127.0.0.1:2321",
      "tpm:file=/var/k.pem?device=/dev/tpmrm0",
      "-----BEGIN TSS2 PRIVATE KEY-----\nMBIGBmeBBQoBA6ADAQH/AgRAAAAB\n-----END TSS2 PRIVATE KEY-----\n",
    ].map((text) => Buffer.from(text));
    return (random) => {
      const text = mutate(random, corpus).toString("utf8");
      refusable(() => readPkcs11Uri(text));
      refusable(() => readTpmUri(text));
      refusable(() => readKeyFile(text, "fuzz"), 600);
    };
  }),
];
