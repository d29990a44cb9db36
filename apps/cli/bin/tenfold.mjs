#!/usr/bin/env node
/** `npx tenfold …` from a checkout: the same set-up as the npm scripts, then the command line. */
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const servesConsole = ["up", "demo"].some((verb) => process.argv.includes(verb));
process.argv.splice(2, 0, ...(servesConsole ? ["--console"] : []), join(here, "..", "src", "main.ts"));
await import("../../../tools/run.mjs");
