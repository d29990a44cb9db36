import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import fastifyStatic from "@fastify/static";
import { type Http, httpProblems, sendProblem } from "./kernel/index.ts";

const built = fileURLToPath(new URL("../../console/dist/", import.meta.url));

/** The browser may load from us and from nowhere else. */
const policy =
  "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/** Serves the web console at `/`. Its own addresses (`/devices/…`) all get its one page; what is under `/api/` never does. */
export async function serveConsole(app: Http): Promise<void> {
  if (!existsSync(join(built, "index.html"))) {
    app.get("/", async (_request, reply) =>
      reply.type("text/plain").send("The console is not built. `npm start` builds it; the API is at /api/v1.\n"),
    );
    return;
  }
  await app.register(fastifyStatic, {
    root: built,
    wildcard: false,
    setHeaders: (reply, path) => {
      reply.header("Cache-Control", path.includes("/assets/") ? "public, max-age=31536000, immutable" : "no-cache");
      reply.header("Content-Security-Policy", policy);
      reply.header("X-Content-Type-Options", "nosniff");
      reply.header("Referrer-Policy", "no-referrer");
    },
  });
  app.get("/*", async (request, reply) => {
    const path = request.url.split("?")[0] ?? "";
    const isFile = /\.[a-z0-9]+$/i.test(path) && !path.startsWith("/devices/");
    if (path.startsWith("/api/") || isFile)
      return sendProblem(
        reply,
        httpProblems.route_unknown(`Nothing is served at ${request.method} ${path}.`, {
          fix: "The API's paths are listed at /api/openapi.json.",
        }),
      );
    return reply.sendFile("index.html");
  });
}
