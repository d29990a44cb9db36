import { describeError } from "@tenfold/base";
import type { Http, Metrics } from "./kernel/index.ts";

/** Something that must answer before the platform is ready. */
export type HealthCheck = { name: string; examine: () => Promise<unknown> };

const examineMs = 3_000;

/** `/livez`: the process answers. `/readyz`: everything it stands on answers too, or 503 with what does not. `/metrics`: Prometheus. */
export function healthRoutes(app: Http, { checks, metrics }: { checks: readonly HealthCheck[]; metrics: Metrics }): void {
  app.get("/livez", async (_request, reply) => reply.type("text/plain").send("ok\n"));
  app.get("/readyz", async (_request, reply) => {
    const findings = await Promise.all(checks.map(examine));
    const ready = findings.every(({ ok }) => ok);
    const text = findings.map(({ name, ok, found }) => `${ok ? "ok" : "NOT READY"} ${name}${found}`).join("\n");
    return reply
      .status(ready ? 200 : 503)
      .type("text/plain")
      .send(`${text}\n`);
  });
  app.get("/metrics", async (_request, reply) => reply.type(metrics.contentType).send(await metrics.render()));
}

async function examine({ name, examine }: HealthCheck): Promise<{ name: string; ok: boolean; found: string }> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`no answer within ${examineMs} ms`)), examineMs);
  try {
    await Promise.race([examine(), late.promise]);
    return { name, ok: true, found: "" };
  } catch (error) {
    return { name, ok: false, found: `: ${describeError(error)}` };
  } finally {
    clearTimeout(timer);
  }
}
