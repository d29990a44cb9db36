#!/usr/bin/env node
/** `npx tenfold …` from a checkout: the same set-up as the npm scripts, then the command line. */
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
process.argv.splice(2, 0, join(here, "..", "src", "main.ts"));
await import("../../../tools/run.mjs");
