/** How long requests that are under way when the server closes may still take. */
export const drainMs = 3_000;

type Closing = {
  addHook(name: "preClose", hook: () => Promise<void>): unknown;
  server: { closeAllConnections(): void };
};

/**
 * `app.close()` takes nothing new and lets what is under way be answered, but for no longer than `drainMs`: then every connection is cut.
 * Needs Fastify's `forceCloseConnections: "idle"`.
 */
export function drains(app: Closing): void {
  app.addHook("preClose", async () => {
    setTimeout(() => app.server.closeAllConnections(), drainMs).unref();
  });
}
