import { connect, createServer, type Socket } from "node:net";

/** A network that lets a number of bytes through on each connection and then cuts it; the first numbers are used up first. */
export async function weakNetwork(to: string, cuts: number[]) {
  const target = Number(new URL(to).port);
  const open = new Set<Socket>();
  let [connections, received] = [0, 0];
  const server = createServer((near) => {
    const far = connect(target, "127.0.0.1");
    connections += 1;
    let left = cuts.shift() ?? Number.POSITIVE_INFINITY;
    for (const socket of [near, far]) {
      open.add(socket);
      socket.on("error", () => {}).on("close", () => open.delete(socket));
    }
    near.on("data", (chunk) => {
      left -= chunk.length;
      received += chunk.length;
      far.write(chunk);
      if (left > 0) return;
      // What was let through arrives; the other side hears nothing more.
      near.destroy();
      far.end();
    });
    far.on("data", (chunk) => near.write(chunk));
    near.on("end", () => far.end());
    far.on("end", () => near.end());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  return {
    url: `http://127.0.0.1:${port}`,
    connections: () => connections,
    /** Bytes that clients sent into it. */
    received: () => received,
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
