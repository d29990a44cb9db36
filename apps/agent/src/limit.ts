import { setTimeout as pause } from "node:timers/promises";

/** A second's worth may come at once; after that, no more than `bytesPerS` on the average. */
export async function* limited(bytes: AsyncIterable<Uint8Array>, bytesPerS: number): AsyncGenerator<Uint8Array> {
  let free = bytesPerS;
  let since = performance.now();
  for await (const piece of bytes) {
    const now = performance.now();
    free = Math.min(bytesPerS, free + ((now - since) / 1_000) * bytesPerS) - piece.byteLength;
    since = now;
    yield piece;
    // What is not read is not sent: TCP's window closes, and the platform's side waits.
    if (free < 0) await pause((-free / bytesPerS) * 1_000);
  }
}
