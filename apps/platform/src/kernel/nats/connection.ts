import {
  type AuthorizationError,
  type ConnectionOptions,
  connect,
  credsAuthenticator,
  errors,
  type NatsConnection,
  type Status,
} from "@nats-io/transport-node";
import { describeError } from "@tenfold/base";
import type { Log } from "../log.ts";
import { natsProblems } from "./problems.ts";

export type NatsOptions = {
  /** One server or several, separated by commas: `nats://user:password@host:4222`, `tls://host:4222`. */
  url: string;
  /** The text of a `.creds` file. */
  credentials?: string;
  /** PEM of whom to believe for the server's certificate, where the machine's own list does not hold it. */
  ca?: string;
  log: Log;
};

/** One connection to NATS for all of the process. It comes back by itself, for ever; who needs to know asks `health`. */
export type Nats = {
  readonly connection: NatsConnection;
  health(): { is: "well" } | { is: "broken"; because: string };
  /** Called each time the connection is there again: what was published meanwhile without a stream was not heard. */
  onReturn(listener: () => void): () => void;
  /** Sends what waits, then closes. */
  close(): Promise<void>;
};

const firstConnectMs = 10_000;
const pingMs = 5_000;

/** Connects. Rejects with `nats_unreachable` or `nats_refused`, which name the address without its password. */
export async function openNats({ url, credentials, ca, log }: NatsOptions): Promise<Nats> {
  const connection = await connect(optionsOf({ url, credentials, ca })).catch((cause: unknown) => {
    throw unreachable(url, cause);
  });
  const listeners = new Set<() => void>();
  let awaySince: number | undefined;
  const note = ({ type }: Status) => {
    if (type === "disconnect" && awaySince === undefined) {
      awaySince = Date.now();
      log.error("nats.connection_lost", { server: connection.getServer() });
    }
    if (type !== "reconnect") return;
    log.info("nats.connection_back", { server: connection.getServer(), afterMs: Date.now() - (awaySince ?? Date.now()) });
    awaySince = undefined;
    for (const listener of listeners) listener();
  };
  const watching = (async () => {
    for await (const status of connection.status()) note(status);
  })().catch((error: unknown) => log.error("nats.watch_ended", { because: describeError(error) }));
  return {
    connection,
    health: () =>
      awaySince === undefined
        ? { is: "well" }
        : { is: "broken", because: `NATS is not reachable since ${new Date(awaySince).toISOString()}.` },
    onReturn(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    async close() {
      // Draining a connection that is away would wait for it.
      if (!connection.isClosed()) await (awaySince === undefined ? connection.drain() : connection.close());
      await watching;
    },
  };
}

function optionsOf({
  url,
  credentials,
  ca,
}: {
  url: string;
  credentials: string | undefined;
  ca: string | undefined;
}): ConnectionOptions {
  const servers = url.split(",").map((one) => one.trim());
  const [user, pass] = identityIn(servers[0] ?? "");
  const encrypted = servers.some((one) => one.startsWith("tls://"));
  return {
    servers: servers.map(bare),
    name: "tenfold",
    timeout: firstConnectMs,
    reconnect: true,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 250,
    reconnectJitter: 250,
    pingInterval: pingMs,
    maxPingOut: 2,
    ...(user === undefined ? {} : { user, ...(pass === undefined ? {} : { pass }) }),
    ...(credentials === undefined ? {} : { authenticator: credsAuthenticator(new TextEncoder().encode(credentials)) }),
    ...(encrypted || ca !== undefined ? { tls: ca === undefined ? {} : { ca } } : {}),
  };
}

/** `host:port` of an address, as the client library and messages for people want it: without scheme and password. */
const bare = (address: string): string => address.replace(/^[a-z]+:\/\//, "").replace(/^[^@]*@/, "");

function identityIn(address: string): [user?: string, password?: string] {
  const found = /^(?:[a-z]+:\/\/)?([^@/]+)@/.exec(address)?.[1];
  return found === undefined ? [] : (found.split(":").map(decodeURIComponent) as [string, string?]);
}

function unreachable(url: string, cause: unknown): Error {
  const where = url
    .split(",")
    .map((one) => bare(one.trim()))
    .join(", ");
  const refused =
    cause instanceof errors.AuthorizationError || (cause as AuthorizationError | undefined)?.name === "AuthorizationError";
  return refused
    ? natsProblems.nats_refused(`NATS at ${where} does not let us in.`, {
        cause,
        fix: "Put user and password into TENFOLD_NATS_URL, or name a credentials file in TENFOLD_NATS_CREDENTIALS_FILE.",
      })
    : natsProblems.nats_unreachable(`NATS at ${where} cannot be reached: ${describeError(cause)}`, {
        cause,
        fix: "Start it, or name another in TENFOLD_NATS_URL.",
      });
}
