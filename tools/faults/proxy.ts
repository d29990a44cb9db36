import { once } from "node:events";
import { createServer, connect as dial, type Socket } from "node:net";

/** What the way between device and platform does to each chunk: pieces to write, each after a pause in ms, or an end in the middle. */
export type Weather = (chunk: Buffer) => { pieces: Buffer[]; pauseMs: number; thenCut: "cut" | "go on" };

export type Proxy = AsyncDisposable & { port: number; setWeather(weather: Weather): void; cuts(): number };

export const clear: Weather = (chunk) => ({ pieces: [chunk], pauseMs: 0, thenCut: "go on" });

/** A TCP proxy in front of a port of this machine. Both directions have the same weather. */
export async function startProxy(target: number): Promise<Proxy> {
  let weather = clear;
  let cuts = 0;
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = dial(target, "127.0.0.1");
    for (const socket of [near, far]) {
      socket.setNoDelay(true);
      sockets.add(socket);
      socket.on("error", () => {});
      socket.once("close", () => {
        sockets.delete(socket);
        near.destroy();
        far.destroy();
      });
    }
    const cut = () => {
      cuts += 1;
      near.destroy();
      far.destroy();
    };
    carry(near, far, { weather: () => weather, cut });
    carry(far, near, { weather: () => weather, cut });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : 0,
    setWeather: (next) => (weather = next),
    cuts: () => cuts,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

type Way = { weather: () => Weather; cut: () => void };

/** Hands chunks on in order; what waits is bounded, because the source is not read meanwhile. */
function carry(from: Socket, to: Socket, { weather, cut }: Way): void {
  from.on("data", async (chunk) => {
    from.pause();
    const { pieces, pauseMs, thenCut } = weather()(chunk);
    if (pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs));
    for (const piece of pieces) {
      if (to.destroyed) return;
      to.write(piece);
      // A turn of the loop, so that the kernel sends each piece as a segment of its own.
      if (pieces.length > 1) await new Promise((resolve) => setImmediate(resolve));
    }
    if (thenCut === "cut") cut();
    else from.resume();
  });
}
