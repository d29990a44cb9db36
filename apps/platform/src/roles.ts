import { defineProblems } from "@tenfold/base";

/**
 * What a process does. `links`: the devices' doors. `intake`: what they said, into the store. `api`: people's door. `loops`: whatever moves by
 * itself. One process does all of it unless told otherwise.
 */
export const roles = ["api", "links", "intake", "loops"] as const;
export type Role = (typeof roles)[number];

export const roleProblems = defineProblems({ role_needs: 422 });

/** The settings that decide which roles can work together. */
export type Layout = {
  readonly roles: readonly Role[];
  readonly "database.url": string | undefined;
  readonly "clickhouse.url": string | undefined;
  readonly "nats.url": string | undefined;
  readonly "s3.bucket": string | undefined;
  readonly "s3.access.key": string | undefined;
  readonly "s3.secret": string | undefined;
  readonly "artifact.max.bytes": number;
  readonly "blobs.dir": string | undefined;
};

type Need = { setting: string; because: string; fix: string };

/** Throws `role_needs` for the first thing that these roles cannot work without, with the setting's name and what to do. */
export function assertRoles(layout: Layout): void {
  const [need] = needsOf(layout);
  if (need !== undefined)
    throw roleProblems.role_needs(`--roles ${layout.roles.join(",")}: ${need.because}`, { field: need.setting, fix: need.fix });
}

function needsOf(layout: Layout): Need[] {
  const has = (role: Role) => layout.roles.includes(role);
  const shared = layout.roles.length < roles.length;
  const all: (Need | undefined)[] = [
    layout.roles.length === 0
      ? {
          setting: "roles",
          because: "a process without a role does nothing.",
          fix: `Name some of ${roles.join(", ")}, or leave the setting out.`,
        }
      : undefined,
    shared && layout["database.url"] === undefined
      ? {
          setting: "database.url",
          because:
            "the other roles are other processes, and they share one PostgreSQL; the embedded one belongs to a process with all roles.",
          fix: "Name the shared PostgreSQL in TENFOLD_DATABASE_URL.",
        }
      : undefined,
    shared && needsStore(layout.roles) && layout["clickhouse.url"] === undefined
      ? {
          setting: "clickhouse.url",
          because: "api, intake and loops share one telemetry store; the embedded one belongs to a process with all roles.",
          fix: "Name the shared ClickHouse in TENFOLD_CLICKHOUSE_URL.",
        }
      : undefined,
    has("links") !== has("intake") && layout["nats.url"] === undefined
      ? {
          setting: "nats.url",
          because: "what links acknowledge must reach the intake of another process, and a journal in files does not.",
          fix: "Name NATS with JetStream in TENFOLD_NATS_URL, or give this process both links and intake.",
        }
      : undefined,
    has("links") !== has("api") && layout["s3.bucket"] === undefined && layout["blobs.dir"] === undefined
      ? {
          setting: "s3.bucket",
          because: "api takes artifacts in and links hand them out, so both must reach the same ones.",
          fix: "Name an S3-compatible store in TENFOLD_S3_BUCKET (and _ENDPOINT), or a folder that all processes mount in TENFOLD_BLOBS_DIR.",
        }
      : undefined,
    ...artifactNeeds(layout),
  ];
  return all.filter((need) => need !== undefined);
}

/** [Amazon S3 quotas] What one PUT may carry. */
const largestObject = 5 * 1024 ** 3;

function artifactNeeds(layout: Layout): Need[] {
  if (layout["s3.bucket"] === undefined) return [];
  const keys = ["s3.access.key", "s3.secret"] as const;
  const missing = keys.find((key) => layout[key] === undefined);
  if (missing !== undefined)
    return [
      {
        setting: missing,
        because: "an S3 bucket is named, and not who may use it.",
        fix: "Name the key in TENFOLD_S3_ACCESS_KEY and its secret in TENFOLD_S3_SECRET_FILE.",
      },
    ];
  if (layout["artifact.max.bytes"] <= largestObject) return [];
  return [
    {
      setting: "artifact.max.bytes",
      because: `an S3 object that is stored in one piece has at most ${largestObject} bytes.`,
      fix: `Set TENFOLD_ARTIFACT_MAX_BYTES to at most ${largestObject}.`,
    },
  ];
}

/** Links alone hand messages on; they neither write nor read the store. */
export const needsStore = (some: readonly Role[]): boolean => some.some((role) => role !== "links");

export type Duties = {
  has(role: Role): boolean;
  /** The authority's keys live where people command, and not at the devices' doors unless a process is both. */
  authority: "keep" | "ask";
  /** Whether devices come to this process. */
  devices: "here" | "elsewhere";
  /** A process with an embedded database is the only one. */
  company: "alone" | "shared";
};

/** What follows from the roles for the parts of a process. */
export function dutiesOf(layout: Layout & { readonly authority: "keep" | "ask" | undefined }): Duties {
  const has = (role: Role) => layout.roles.includes(role);
  return {
    has,
    authority: layout.authority ?? (has("api") ? "keep" : "ask"),
    devices: has("links") ? "here" : "elsewhere",
    company: layout["database.url"] === undefined ? "alone" : "shared",
  };
}
