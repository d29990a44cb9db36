/** The state of a whole fleet in numbers; what `status` and `summary` print. */
export type Numbers = {
  devices: number;
  enrolled: number;
  connected: number;
  messages: number;
  acked: number;
  failed: number;
  dropped: number;
  bricked: number;
  /** Links that went down without the device's wish. */
  lost: number;
  reboots: number;
  confirmed: number;
  rolledBack: number;
  ackP50Ms: number;
  ackP95Ms: number;
  versions: Record<string, number>;
  failures: Record<string, number>;
};

const keptAcks = 4_096;

export type Tally = ReturnType<typeof createTally>;

/** Counts what the pretend devices do. */
export function createTally(devices: number, onEnrolled: (device: string, count: number) => void) {
  const counts = { messages: 0, acked: 0, failed: 0, dropped: 0, lost: 0, reboots: 0, confirmed: 0, rolledBack: 0 };
  const enrolled = new Set<string>();
  const connected = new Set<string>();
  const bricked = new Set<string>();
  const running = new Map<string, string>();
  const links = new Map<string, number>();
  const samples = new Map<string, number>();
  const failures = new Map<string, number>();
  const acks: number[] = [];
  const count = (name: keyof typeof counts) => {
    counts[name] += 1;
  };
  return {
    enrolled(device: string, kind: "first" | "renewal") {
      if (kind === "first") enrolled.add(device);
      onEnrolled(device, enrolled.size);
    },
    alreadyEnrolled(device: string): void {
      enrolled.add(device);
    },
    connected(device: string): void {
      connected.add(device);
      links.set(device, (links.get(device) ?? 0) + 1);
    },
    /** Links that this device has opened. */
    links: (device: string) => links.get(device) ?? 0,
    lost: () => count("lost"),
    disconnected(device: string): void {
      connected.delete(device);
    },
    sent: () => count("messages"),
    acked(tookMs: number) {
      acks[counts.acked % keptAcks] = tookMs;
      counts.acked += 1;
    },
    /** Something did not work, known by its code. */
    failed(code: string) {
      counts.failed += 1;
      failures.set(code, (failures.get(code) ?? 0) + 1);
    },
    dropped: () => count("dropped"),
    inFlight: (device: string) => samples.get(device) ?? 0,
    sampleOut(device: string, change: number): void {
      samples.set(device, (samples.get(device) ?? 0) + change);
    },
    started(device: string, version: string) {
      running.set(device, version);
      bricked.delete(device);
    },
    rebooted: () => count("reboots"),
    confirmed: () => count("confirmed"),
    rolledBack: () => count("rolledBack"),
    bricked(device: string, version: string) {
      bricked.add(device);
      running.set(device, version);
      connected.delete(device);
    },
    brickedDevices: () => [...bricked].toSorted(),
    numbers(): Numbers {
      const sorted = acks.toSorted((a, b) => a - b);
      const at = (share: number) => Math.round((sorted[Math.floor(share * (sorted.length - 1))] ?? 0) * 10) / 10;
      const versions: Record<string, number> = {};
      for (const version of running.values()) versions[version] = (versions[version] ?? 0) + 1;
      return {
        devices,
        enrolled: enrolled.size,
        connected: connected.size,
        bricked: bricked.size,
        ...counts,
        ackP50Ms: at(0.5),
        ackP95Ms: at(0.95),
        versions,
        failures: Object.fromEntries(failures),
      };
    },
  };
}
