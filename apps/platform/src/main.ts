/**
 * Begins `serve.ts` with Node's cache of compiled code, which halves what it takes to load the program. The cache lies beside the program, so that only who
 * may change the one may change the other; where that folder cannot be written the start goes without. `NODE_COMPILE_CACHE` names another place.
 */
import { enableCompileCache } from "node:module";
import { fileURLToPath } from "node:url";

enableCompileCache(fileURLToPath(new URL("../../../node_modules/.cache/compiled", import.meta.url)));
await import("./serve.ts");
