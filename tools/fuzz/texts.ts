/** What people and pipelines send: filters, and signed releases. */
import { canonicalJson, type Json } from "@tenfold/base";
import type { ReleaseStatement } from "@tenfold/contracts";
import { addSignature, generateSigningKey, readPrivateKey, readPublicKey, signRelease, verifyRelease } from "@tenfold/ota";
import { printFilter, readFilter } from "@tenfold/query";
import { mutate, type Random, sentence } from "./mutate.ts";
import { pure, type Target } from "./target.ts";

const words =
  'tag:site=berlin status:offline fw:<1.4.0 fw:>=2.0.0-rc.1 lastSeen:>2h -group:lab id:pump-* model:x OR ( ) - " : = < > * "a b" tag:é=\u{1f600} \u0000 __proto__ lifecycle:active ~ status: :x --'.split(
    " ",
  );

function filterText(random: Random): string {
  const text = sentence(random, words);
  return random() < 0.5 ? text : mutate(random, [Buffer.from(text)]).toString("utf8");
}

const filter = pure("filter", 14, () => (random) => {
  const reading = readFilter(filterText(random));
  if (reading.is === "refused") return;
  // What was understood can be said again, and means the same.
  const printed = printFilter(reading.filter);
  const again = readFilter(printed);
  if (again.is === "refused" || printFilter(again.filter) !== printed)
    throw new Error(`printed as ${printed}, which reads differently`);
});

const release = pure("release", 6, () => {
  const [one, two] = [generateSigningKey(), generateSigningKey()];
  const statement: ReleaseStatement = {
    type: "tenfold.release.v1",
    name: "pump",
    version: "1.4.0",
    models: ["pump"],
    artifact: { sha256: "ab".repeat(32), size: 1_000 },
    signedAt: "2026-01-01T00:00:00Z",
  };
  const envelope = addSignature(signRelease(statement, readPrivateKey(one.privateKeyPem)), readPrivateKey(two.privateKeyPem));
  const trustedKeys = [one, two].map(({ publicKeyPem }) => readPublicKey(publicKeyPem));
  const text = Buffer.from(JSON.stringify(envelope));
  const original = canonicalOf(envelope.signed);
  return (random) => {
    const parsed = jsonOf(mutate(random, [text]));
    const verdict = verifyRelease(parsed, { trustedKeys, threshold: 2 });
    if (verdict.is === "trusted" && canonicalOf(verdict.release) !== original) throw new Error("a changed statement is trusted");
  };
});

export const textTargets: Target[] = [filter, release];

// A statement is JSON.
const canonicalOf = (value: unknown): string => canonicalJson(value as Json);

function jsonOf(input: Buffer): unknown {
  try {
    return JSON.parse(input.toString("utf8"));
  } catch (error) {
    if (error instanceof SyntaxError) return input.toString("latin1");
    throw error;
  }
}
