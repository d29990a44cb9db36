import { execFileSync } from "node:child_process";
import { connect, createServer, type Server, type Socket } from "node:net";
import { sweepLeftovers } from "../leftovers.ts";

const ip = (...words: string[]) => execFileSync("ip", words, { stdio: "pipe" });

/** A bridge with a network namespace for each host; the bridge is where this process stands. Everything goes when it is disposed of. */
export type Network = AsyncDisposable & {
  /** This process's address on the bridge. */
  hub: string;
  hosts: readonly { address: string; namespace: string }[];
  /** Pulls, or plugs, the cable of a host: nothing comes through, and nobody is told. */
  cable(host: number, state: "up" | "down"): void;
};

// [RFC 2544 C.2.2] Addresses for tests of networks; nobody's.
const subnet = "198.18.77";

export function createNetwork(hosts: number): Network {
  sweepLeftovers();
  const bridge = `tfb${process.pid}`;
  const names = Array.from({ length: hosts }, (_, i) => ({
    namespace: `tenfold-${process.pid}-${i}`,
    address: `${subnet}.${i + 11}`,
    outer: `tfo${process.pid}-${i}`,
    inner: `tfi${process.pid}-${i}`,
  }));
  ip("link", "add", bridge, "type", "bridge");
  ip("addr", "add", `${subnet}.1/24`, "dev", bridge);
  ip("link", "set", bridge, "up");
  for (const { namespace, address, outer, inner } of names) {
    ip("netns", "add", namespace);
    ip("link", "add", outer, "type", "veth", "peer", "name", inner);
    ip("link", "set", inner, "netns", namespace);
    ip("link", "set", outer, "master", bridge);
    ip("link", "set", outer, "up");
    const within = (...words: string[]) => ip("-n", namespace, ...words);
    within("addr", "add", `${address}/24`, "dev", inner);
    within("link", "set", inner, "up");
    within("link", "set", "lo", "up");
  }
  return {
    hub: `${subnet}.1`,
    hosts: names,
    cable: (host, state) => void ip("link", "set", names[host]?.outer ?? "", state),
    async [Symbol.asyncDispose]() {
      for (const { namespace } of names) ip("netns", "del", namespace);
      ip("link", "del", bridge);
    },
  };
}

export type Forwarder = AsyncDisposable & {
  port: number;
  /** How many connections went to each target. */
  went: ReadonlyMap<string, number>;
};

/** A port, or the socket of a server that listens on no port. */
type Target = { host: string; port: number } | { path: string };

/**
 * A small TCP balancer, as dumb as one may be: connections go to the targets in turn; to one that does not take it within a second, the next. It
 * knows nothing of TLS, and tells nobody who came (no PROXY protocol): a device is its certificate.
 */
export async function balance(targets: readonly Target[], { host = "127.0.0.1", port = 0 } = {}): Promise<Forwarder> {
  const went = new Map<string, number>();
  const open = new Set<Socket>();
  let turn = 0;
  const server: Server = createServer((incoming) => {
    open.add(incoming);
    incoming.on("error", () => {});
    incoming.once("close", () => open.delete(incoming));
    turn += 1;
    const offer = (tried: number): void => {
      const target = targets[(turn + tried) % targets.length];
      if (target === undefined || tried === targets.length) return void incoming.destroy();
      const outgoing = connect(target);
      open.add(outgoing);
      const late = setTimeout(() => outgoing.destroy(), 1_000);
      let connected = false;
      outgoing.on("error", () => {});
      outgoing.once("connect", () => {
        connected = true;
        clearTimeout(late);
        const name = "host" in target ? target.host : target.path;
        went.set(name, (went.get(name) ?? 0) + 1);
        incoming.pipe(outgoing).pipe(incoming);
      });
      outgoing.once("close", () => {
        open.delete(outgoing);
        clearTimeout(late);
        if (connected || incoming.destroyed) incoming.destroy();
        else offer(tried + 1);
      });
      incoming.once("close", () => outgoing.destroy());
    };
    offer(0);
  });
  await new Promise<void>((resolve) => server.listen({ host, port }, resolve));
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : 0,
    went,
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
