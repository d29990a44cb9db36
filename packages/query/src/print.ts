import { formatDuration, unreachable } from "@tenfold/base";
import type { Filter } from "./filter.ts";

/** Writes a filter as text that reads back as the same filter. */
export function printFilter(filter: Filter): string {
  switch (filter.is) {
    case "all":
      return "";
    case "and":
      return filter.of.map(printInside).join(" ");
    case "or":
      return filter.of.map((part) => (part.is === "and" ? printFilter(part) : printInside(part))).join(" OR ");
    case "not":
      return `-${printInside(filter.of)}`;
    case "text":
      return quote(filter.contains, /^[A-Za-z0-9._][A-Za-z0-9._-]*$/);
    case "id":
      return `id:${quote(filter.id)}`;
    case "tag":
      return filter.value === undefined ? `tag:${filter.key}` : `tag:${filter.key}=${quote(filter.value)}`;
    case "status":
      return `status:${filter.status}`;
    case "lifecycle":
      return `lifecycle:${filter.lifecycle}`;
    case "fw":
      return `fw:${filter.compare === "=" ? "" : filter.compare}${quote(filter.version)}`;
    case "model":
      return `model:${quote(filter.model)}`;
    case "hw":
      return `hw:${quote(filter.revision)}`;
    case "trust":
      return `trust:${filter.compare === "=" ? "" : filter.compare}${filter.level}`;
    case "lastSeen":
      return `lastSeen:${filter.compare}${formatDuration(filter.age)}`;
    case "group":
      return `group:${quote(filter.name)}`;
    case "fleet":
      return `fleet:${quote(filter.fleet)}`;
    default:
      return unreachable(filter);
  }
}

const printInside = (filter: Filter) =>
  filter.is === "and" || filter.is === "or" ? `(${printFilter(filter)})` : printFilter(filter);

const connective = /^(or|and|not)$/i;

function quote(text: string, plain = /^[A-Za-z0-9._:+-]+$/): string {
  return plain.test(text) && !connective.test(text) ? text : `"${text.replace(/["\\]/g, "\\$&")}"`;
}
