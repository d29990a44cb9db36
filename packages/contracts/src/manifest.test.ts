import assert from "node:assert/strict";
import { test } from "node:test";
import { Problem } from "@tenfold/base";
import fc from "fast-check";
import { parseManifest } from "./manifest.ts";

test("a CSV manifest is read with models and tags; empty cells say nothing", () => {
  const csv = '\ufeffserial,model,tag:site,tag:line\r\npump-1,p100,oslo,"A, ""left"""\r\n\r\npump-2,,berlin,\r\n';
  assert.deepEqual(parseManifest(csv), [
    { serial: "pump-1", model: "p100", tags: { site: "oslo", line: 'A, "left"' } },
    { serial: "pump-2", tags: { site: "berlin" } },
  ]);
  assert.deepEqual(parseManifest("serial;tag:site\na;oslo"), [{ serial: "a", tags: { site: "oslo" } }]);
});

test("JSON is read as a list or as an object with entries", () => {
  assert.deepEqual(parseManifest('[{"serial":"a"}]'), [{ serial: "a" }]);
  assert.deepEqual(parseManifest(' {"entries":[{"serial":"a","model":"m"}]}'), [{ serial: "a", model: "m" }]);
});

test("what is wrong is named with its row, also after a cell of two lines", () => {
  const fault = (text: string) => {
    try {
      parseManifest(text);
    } catch (error) {
      return error instanceof Problem ? [error.code, error.field, error.message].join(" | ") : String(error);
    }
    return "accepted";
  };
  assert.match(fault('serial,tag:note\nok,"two\nlines"\nbad serial,x'), /manifest_invalid \| row 4 \| .*row 4: serial/);
  assert.match(fault("serial,model\na,b,c"), /row 2: it has 3 cells, the header has 2/);
  assert.match(fault("serial,colour\na,b"), /no column "colour"/);
  assert.match(fault("model\na"), /no column "serial"/);
  assert.match(fault("serial\na\nb\na"), /row 4: serial "a" stands in row 2 too/);
  assert.match(fault('serial\n"a'), /row 2: a quote is not closed/);
  assert.match(fault('[{"serial":"a"},{"serial":"a b"}]'), /entry 2: serial/);
  assert.match(fault('[{"serial":"a","colour":"red"}]'), /entry 1: /);
  assert.match(fault("[1"), /none/);
  assert.match(fault("{}"), /neither a list/);
  assert.match(fault(""), /empty/);
  assert.match(fault("serial\n"), /empty/);
});

test("no text makes the parser throw anything but a Problem, or hang", () => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom("serial", ",", ";", '"', "\n", "\r\n", "a", "tag:x", "[", "{", " ", "é") }),
      (text) => {
        try {
          parseManifest(text);
        } catch (error) {
          if (!(error instanceof Problem)) throw error;
        }
      },
    ),
    { numRuns: 2_000, seed: 3 },
  );
});
