import { compareVersions, unreachable } from "@tenfold/base";
import type { AgeComparison, Comparison, Filter, Status } from "./filter.ts";

/** What a filter asks of a device. `groups` are the static groups it is in: dynamic ones must have been expanded (`expandGroups`). */
export type FilterSubject = {
  id: string;
  fleet: string;
  lifecycle: string;
  status: Status;
  tags: Readonly<Record<string, string>>;
  groups: readonly string[];
  model?: string | undefined;
  hardwareRevision?: string | undefined;
  firmwareVersion?: string | undefined;
  trustLevel?: number | undefined;
  /** ms since 1970. */
  lastContactAt?: number | undefined;
};

/** Whether the filter lets the device through, at `now` (ms since 1970). What is unknown about a device matches no term. */
export function evaluate(filter: Filter, device: FilterSubject, now: number): boolean {
  switch (filter.is) {
    case "all":
      return true;
    case "and":
      return filter.of.every((part) => evaluate(part, device, now));
    case "or":
      return filter.of.some((part) => evaluate(part, device, now));
    case "not":
      return !evaluate(filter.of, device, now);
    case "text":
      return asciiLowerCase(device.id).includes(asciiLowerCase(filter.contains));
    case "id":
      return device.id === filter.id;
    case "tag":
      return Object.hasOwn(device.tags, filter.key) && (filter.value === undefined || device.tags[filter.key] === filter.value);
    case "status":
      return device.status === filter.status;
    case "lifecycle":
      return device.lifecycle === filter.lifecycle;
    case "fw":
      return device.firmwareVersion !== undefined && holds(filter.compare, compareVersions(device.firmwareVersion, filter.version));
    case "model":
      return device.model === filter.model;
    case "hw":
      return device.hardwareRevision === filter.revision;
    case "trust":
      return device.trustLevel !== undefined && holds(filter.compare, device.trustLevel - filter.level);
    case "lastSeen":
      return device.lastContactAt !== undefined && holds(filter.compare, now - device.lastContactAt - filter.age);
    case "group":
      return device.groups.includes(filter.name);
    case "fleet":
      return device.fleet === filter.fleet;
    default:
      return unreachable(filter);
  }
}

/** Only A to Z, so that every database and every locale agrees. */
export const asciiLowerCase = (text: string): string => text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());

function holds(compare: Comparison | AgeComparison, difference: number): boolean {
  switch (compare) {
    case "<":
      return difference < 0;
    case "<=":
      return difference <= 0;
    case ">":
      return difference > 0;
    case ">=":
      return difference >= 0;
    case "=":
      return difference === 0;
  }
}
