/**
 * What carries the bus between processes: text to all others, at most once, in the order of each sender. Two real sides: NATS (nats-wire.ts),
 * and NOTIFY of the shared PostgreSQL (postgres-wire.ts) where there is no NATS. Both run wire.test.ts.
 */
export type BusWire = {
  /** The longest text that is carried, bytes. */
  readonly maxBytes: number;
  /** Never throws and waits for nothing; what cannot be sent is lost, and the others notice by its number. */
  send(text: string): void;
  /** The texts of all processes, this one's too. */
  listen(listener: (text: string) => void): void;
  /** False while it is known that nothing can be heard. */
  connected(): boolean;
  close(): Promise<void>;
};
