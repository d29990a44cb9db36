import { type ColumnStore, storeProblems } from "./port.ts";

/** The store of a process that needs none. Whoever asks it all the same is told why there is none. */
export function absentStore(because: string): ColumnStore {
  const refuse = () => Promise.reject(storeProblems.store_unavailable(`There is no telemetry store here: ${because}.`));
  return { insert: refuse, query: refuse, command: refuse, download: refuse, ping: async () => {}, close: async () => {} };
}
