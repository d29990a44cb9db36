import type { onSendAsyncHookHandler } from "fastify";

/** How long requests that are under way when the server closes may still take. */
export const drainMs = 3_000;

/** What both servers have, the plain one and the one over TLS. */
type Draining = {
  addHook(name: "preClose", hook: () => Promise<void>): unknown;
  addHook(name: "onSend", hook: onSendAsyncHookHandler): unknown;
  server: { closeAllConnections(): void };
};

/**
 * `app.close()` takes nothing new and lets what is under way be answered, but for no longer than `drainMs`: then every connection is cut.
 * Needs Fastify's `forceCloseConnections: "idle"`.
 */
export function drains(app: Draining): void {
  let closing = false;
  app.addHook("preClose", async () => {
    closing = true;
    setTimeout(() => app.server.closeAllConnections(), drainMs).unref();
  });
  // A connection that was kept alive after its answer would be waited for, too.
  app.addHook("onSend", async (_request, reply, payload) => {
    if (closing) reply.header("Connection", "close");
    return payload;
  });
}
