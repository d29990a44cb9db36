/** Chooses who is announced on the live stream: nobody twice within `everyMs`, at most `most` at once. A hint; pages also ask. */
export function createAnnouncer({ everyMs, most, remember = 10_000 }: { everyMs: number; most: number; remember?: number }) {
  const last = new Map<string, number>();
  return {
    choose(devices: Iterable<string>, now: number): string[] {
      const chosen: string[] = [];
      for (const device of devices) {
        if (chosen.length >= most) break;
        if (now - (last.get(device) ?? Number.NEGATIVE_INFINITY) < everyMs) continue;
        last.delete(device);
        last.set(device, now);
        chosen.push(device);
      }
      for (const device of last.keys()) {
        if (last.size <= remember) break;
        last.delete(device);
      }
      return chosen;
    },
  };
}
