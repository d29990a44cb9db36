/**
 * Who is in the middle of a TLS handshake. One costs some eighty kibibytes until it is done (docs/operate/faults.md), a hundred times what a connection
 * that waits costs, so that there is a most of them. When all places are taken, an address that holds fewer takes one from the address that holds the
 * most: its oldest handshake, which had the most time. Who holds the most himself waits. Pure.
 */
export class HandshakePlaces<Member> {
  readonly #most: number;
  /** Of each address the oldest first. */
  readonly #held = new Map<string, Set<Member>>();
  #count = 0;
  /** Kept until something changes: it is asked for each address that waits. */
  #fullestNow: [string, Set<Member>] | undefined;

  constructor(most: number) {
    this.#most = most;
  }

  get taken(): number {
    return this.#count;
  }

  /** Whether somebody from this address may begin now. */
  mayTake(address: string): boolean {
    // With a difference of one the two would only change places, and take them from each other for ever.
    return this.#count < this.#most || (this.#fullest()?.[1].size ?? 0) >= (this.#held.get(address)?.size ?? 0) + 2;
  }

  /** Takes a place, for whom `mayTake` said yes; answers who must leave for it. */
  take(address: string, member: Member): Member | undefined {
    const leaves = this.#count < this.#most ? undefined : this.#oldestOfFullest();
    const held = this.#held.get(address) ?? new Set();
    this.#held.set(address, held.add(member));
    this.#count += 1;
    this.#fullestNow = undefined;
    return leaves;
  }

  /** The handshake is done, or its connection closed; nothing happens where it held no place. */
  leave(address: string, member: Member): void {
    const held = this.#held.get(address);
    if (!held?.delete(member)) return;
    this.#count -= 1;
    this.#fullestNow = undefined;
    if (held.size === 0) this.#held.delete(address);
  }

  #oldestOfFullest(): Member | undefined {
    const [address, held] = this.#fullest() ?? [];
    const [oldest] = held ?? [];
    if (address !== undefined && oldest !== undefined) this.leave(address, oldest);
    return oldest;
  }

  #fullest(): [string, Set<Member>] | undefined {
    if (this.#fullestNow === undefined)
      for (const one of this.#held)
        if (this.#fullestNow === undefined || one[1].size > this.#fullestNow[1].size) this.#fullestNow = one;
    return this.#fullestNow;
  }
}
