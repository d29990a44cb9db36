import type { Nats } from "../nats/index.ts";
import type { BusWire } from "./wire.ts";

const headroomBytes = 1_024;
const most = 256 << 10;

/** The bus over a subject of core NATS, which keeps nothing. */
export function natsWire({ nats, prefix }: { nats: Nats; prefix: string }): BusWire {
  const { connection } = nats;
  const subject = `${prefix}.bus`;
  const decoder = new TextDecoder();
  let listener: (text: string) => void = () => {};
  const subscription = connection.subscribe(subject, {
    callback: (error, message) => {
      if (error === null) listener(decoder.decode(message.data));
    },
  });
  return {
    maxBytes: Math.min(most, (connection.info?.max_payload ?? most) - headroomBytes),
    send(text) {
      if (nats.health().is === "well" && !connection.isClosed()) connection.publish(subject, text);
    },
    listen(given) {
      listener = given;
    },
    connected: () => nats.health().is === "well",
    async close() {
      if (connection.isClosed()) return;
      await connection.flush().catch(() => undefined);
      subscription.unsubscribe();
    },
  };
}
