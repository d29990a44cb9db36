export type FleetDevice = { fleet: string; device: string };

/** Something of each device, found without making a key of its two names; in the order in which the devices of a fleet were put in. */
export class DeviceMap<Value> {
  readonly #fleets = new Map<string, Map<string, Value>>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get({ fleet, device }: FleetDevice): Value | undefined {
    return this.#fleets.get(fleet)?.get(device);
  }

  /** Puts it in as the newest of its fleet. */
  set({ fleet, device }: FleetDevice, value: Value): void {
    const devices = this.#fleets.get(fleet) ?? new Map<string, Value>();
    this.#fleets.set(fleet, devices);
    if (!devices.delete(device)) this.#size += 1;
    devices.set(device, value);
  }

  delete({ fleet, device }: FleetDevice): void {
    const devices = this.#fleets.get(fleet);
    if (!devices?.delete(device)) return;
    this.#size -= 1;
    if (devices.size === 0) this.#fleets.delete(fleet);
  }

  /** The oldest of a fleet. */
  oldest(fleet: string): FleetDevice | undefined {
    const [device] = this.#fleets.get(fleet)?.keys() ?? [];
    return device === undefined ? undefined : { fleet, device };
  }

  *keys(): Generator<FleetDevice> {
    for (const [fleet, devices] of this.#fleets) for (const device of devices.keys()) yield { fleet, device };
  }
}
