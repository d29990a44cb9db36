import type { Admission, Farewell, Identity, Link } from "./link.ts";

/** Who is connected. A device is listed from the moment its certificate was admitted, so that no later verdict can miss it. */
export class Directory {
  readonly #devices = new Map<string, Set<Link>>();
  #verdicts = 0;

  of(device: string): Link[] {
    return [...(this.#devices.get(device) ?? [])];
  }

  all(): Link[] {
    return [...this.#devices.values()].flatMap((links) => [...links]);
  }

  add(link: Link): void {
    const links = this.#devices.get(link.identity.device);
    if (links) links.add(link);
    else this.#devices.set(link.identity.device, new Set([link]));
  }

  remove(link: Link): void {
    const links = this.#devices.get(link.identity.device);
    links?.delete(link);
    if (links?.size === 0) this.#devices.delete(link.identity.device);
  }

  /** Closes every connection of the device, or only those with this certificate; says how many. */
  close(device: string, farewell: Farewell, fingerprint?: string): number {
    this.#verdicts += 1;
    const closing = this.of(device).filter(({ identity }) => fingerprint === undefined || identity.fingerprint === fingerprint);
    for (const link of closing) link.close(farewell);
    return closing.length;
  }

  /**
   * Asks `judge`, and lists the link of an admitted device in the same step as the answer is read. When a device was barred while the
   * question was under way, the answer may be older than the bar: it is asked again.
   */
  async admit(judge: () => Promise<Admission>, linkOf: (identity: Identity) => Link): Promise<Admission> {
    for (let attempt = 0; attempt < attempts; attempt++) {
      const before = this.#verdicts;
      const verdict = await judge();
      if (before !== this.#verdicts) continue;
      if (verdict.is === "admit") this.add(linkOf(verdict));
      return verdict;
    }
    return { is: "refuse", because: "busy_revoking", detail: "Certificates are being revoked at this moment; try again." };
  }
}

const attempts = 8;
