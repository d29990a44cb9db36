import { Refused } from "./errors.ts";
import type { UpMessage } from "./message.ts";
import { type Aliases, beginsSparkplug, nameAliases } from "./sparkplug.ts";

/**
 * Puts the names of Sparkplug aliases into messages before they are stored, so that what is stored can be read by itself. An alias holds on
 * the connection that named it, and is forgotten with it.
 */
export function createAliases() {
  const known = new WeakMap<object, Aliases>();
  return {
    resolve(message: UpMessage): UpMessage {
      const { channel, connection, payload } = message;
      if (channel !== "telemetry" || connection === undefined || !beginsSparkplug(payload[0])) return message;
      const aliases = known.get(connection) ?? new Map();
      known.set(connection, aliases);
      try {
        return { ...message, payload: nameAliases(payload, aliases) };
      } catch (error) {
        // Whoever reads it next says why it cannot be read.
        if (error instanceof Refused) return message;
        throw error;
      }
    },
  };
}
