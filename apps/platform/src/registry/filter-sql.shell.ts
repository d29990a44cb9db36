import { unreachable, versionKey } from "@tenfold/base";
import { asciiLowerCase, type Comparison, type Filter, type Status } from "@tenfold/query";
import { type RawBuilder, sql } from "kysely";
import { leaseBeforeHeartbeat, shortestGrace } from "./connectivity.ts";

type Condition = RawBuilder<boolean>;

/**
 * A filter as an SQL condition over `registry.device d`, with the same answer as `evaluate` for every device. Dynamic groups must have
 * been expanded. Never null: what is unknown about a device matches no term.
 */
export function conditionOf(filter: Filter, now: number): Condition {
  switch (filter.is) {
    case "all":
      return sql`true`;
    case "and":
      return sql`(${sql.join(
        filter.of.map((part) => conditionOf(part, now)),
        sql` and `,
      )})`;
    case "or":
      return sql`(${sql.join(
        filter.of.map((part) => conditionOf(part, now)),
        sql` or `,
      )})`;
    case "not":
      return sql`(not ${conditionOf(filter.of, now)})`;
    case "text":
      return sql`(position(${asciiLowerCase(filter.contains)}::text in lower(d.id collate "C")) > 0)`;
    case "id":
      return sql`(d.id = ${filter.id})`;
    case "tag":
      if (filter.value === undefined) return sql`jsonb_exists(d.tags, ${filter.key})`;
      return sql`(d.tags @> ${JSON.stringify({ [filter.key]: filter.value })}::jsonb)`;
    case "status":
      return statusCondition(filter.status, now);
    case "lifecycle":
      return sql`(d.lifecycle = ${filter.lifecycle})`;
    case "fw":
      return sql`((d.fw_key ${signs[filter.compare]} ${versionKey(filter.version)}) is true)`;
    case "model":
      return sql`((d.model = ${filter.model}) is true)`;
    case "hw":
      return sql`((d.hardware_revision = ${filter.revision}) is true)`;
    case "trust":
      return sql`(d.trust_level ${signs[filter.compare]} ${filter.level})`;
    case "lastSeen":
      return sql`((d.last_contact_at ${opposite[filter.compare]} ${new Date(now - filter.age)}::timestamptz) is true)`;
    case "group":
      return sql`exists (select 1 from registry.group_member m join registry.device_group g on g.id = m.group_id
        where m.device = d.id and g.fleet = d.fleet and g.name = ${filter.name})`;
    case "fleet":
      return sql`(d.fleet = ${filter.fleet})`;
    default:
      return unreachable(filter);
  }
}

/** The moments at which a device becomes late and offline; null for one that was never heard. As `connectivity.ts` has them. */
const leaseMs = sql`coalesce(d.lease_ms, ${leaseBeforeHeartbeat}::bigint)`;
const leaseUntil = sql`(d.last_contact_at + ${leaseMs} * interval '1 millisecond')`;
export const offlineAt = sql`(d.last_contact_at + (${leaseMs} + greatest(${leaseMs}, ${shortestGrace}::bigint)) * interval '1 millisecond')`;

/** The status as text, for counting. */
export const statusAt = (now: number) => sql<Status>`(case
  when d.last_contact_at is null then 'never_seen'
  when ${new Date(now)}::timestamptz < ${leaseUntil} then 'online'
  when ${new Date(now)}::timestamptz < ${offlineAt} then 'late'
  else 'offline' end)`;

function statusCondition(status: Status, now: number): Condition {
  const at = sql`${new Date(now)}::timestamptz`;
  switch (status) {
    case "never_seen":
      return sql`(d.last_contact_at is null)`;
    case "online":
      return sql`((${at} < ${leaseUntil}) is true)`;
    case "late":
      return sql`((${at} >= ${leaseUntil} and ${at} < ${offlineAt}) is true)`;
    case "offline":
      return sql`((${at} >= ${offlineAt}) is true)`;
  }
}

// Spelled out, because a sign cannot be a parameter.
const signs: Record<Comparison, RawBuilder<unknown>> = { "<": sql`<`, "<=": sql`<=`, "=": sql`=`, ">=": sql`>=`, ">": sql`>` };

// "Longer ago than" is "earlier than".
const opposite = { "<": sql`>`, "<=": sql`>=`, ">": sql`<`, ">=": sql`<=` };
