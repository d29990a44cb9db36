import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { usualHandshakes } from "../kernel/http/handshakes.ts";
import { defaultLimits } from "./limits.ts";
import { tellLimits } from "./told-limits.ts";

const docs = (name: string) => readFileSync(new URL(`../../../../docs/${name}`, import.meta.url), "utf8");

test("every limit is told with its value, in words, by a clause that exists, and by the setting that changes it", () => {
  const told = tellLimits({ ...defaultLimits, maxConnections: 7 }, usualHandshakes);
  assert.equal(told.length, Object.keys(defaultLimits).length + Object.keys(usualHandshakes).length);
  assert.equal(told.find(({ name }) => name === "links.maxConnections")?.value, 7);
  const [mqtt, https, settings] = ["protocol/mqtt.md", "protocol/https.md", "operate/configuration.md"].map(docs);
  for (const { name, means, clause, setting } of told) {
    assert.match(means, /^[A-Z].+\.$/, name);
    if (clause !== undefined) assert.ok((clause.startsWith("M") ? mqtt : https)?.includes(`**${clause}**`), `${name}: ${clause}`);
    if (setting !== undefined) assert.ok(settings?.includes(`\`${setting}\``), `${name}: ${setting}`);
  }
});
