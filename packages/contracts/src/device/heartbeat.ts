import { z } from "zod";

/** Where a device's clock stands: set by a time server, running on since then, doubtful, or absent. Never trusted for order. */
export const clockQuality = z.enum(["synced", "holdover", "suspect", "none"]);

/**
 * What runs on the device. `state` is `trial` between the first boot of an update and its confirmation, `confirmed` otherwise.
 * `hash` is the SHA-256 of the running image in lower-case hex.
 */
export const firmwareReport = z.strictObject({
  version: z.string().min(1).max(64),
  hash: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .optional(),
  slot: z.string().min(1).max(16).optional(),
  state: z.enum(["confirmed", "trial"]).default("confirmed"),
});

/**
 * The sign of life (topic `devices/{id}/heartbeat`, path `/v1/heartbeat`). `leaseS` is the contact lease: "I will speak again
 * within this many seconds". Counters count since boot, so that a lost heartbeat loses no event.
 */
export const heartbeat = z.object({
  seq: z.int().min(0),
  /** Random, new at every boot. */
  bootId: z.string().min(1).max(64),
  uptimeS: z.number().min(0),
  leaseS: z
    .number()
    .min(1)
    .max(31 * 86_400),
  /** The device's monotonic clock at sending, seconds. */
  monoS: z.number().min(0),
  /** The device's wall clock at sending, RFC 3339. */
  time: z.iso.datetime({ offset: true }).optional(),
  clock: clockQuality,
  firmware: firmwareReport,
  model: z.string().min(1).max(64).optional(),
  /** As the maker names the board's revisions: `B2`, `1.3`. */
  hardwareRevision: z.string().min(1).max(64).optional(),
  power: z
    .strictObject({
      source: z.enum(["mains", "battery", "solar", "unknown"]),
      mv: z.number().optional(),
      level: z.number().min(0).max(1).optional(),
    })
    .optional(),
  net: z
    .strictObject({
      bearer: z.string().max(32),
      /** Paid by volume. */ metered: z.boolean().optional(),
      rssi: z.number().optional(),
      reconnects: z.int().min(0).optional(),
    })
    .optional(),
  /** Bytes of main memory in use, by what the kernel would not give back at once, and bytes there are. */
  memory: z.strictObject({ usedBytes: z.number().min(0), totalBytes: z.number().min(0).optional() }).optional(),
  queue: z.strictObject({ depth: z.int().min(0), oldestAgeS: z.number().min(0) }).optional(),
  /** The roots that the device believes: SHA-256 of each certificate, lower-case hex. Rotation waits for the new one. */
  trust: z
    .strictObject({
      roots: z.array(z.string().regex(/^[0-9a-f]{64}$/)).max(8),
      /** The last generation of the roots that the device was told of and followed. */
      generation: z.int().min(1).optional(),
    })
    .optional(),
  /** `rx_bytes` and `tx_bytes` are what the device received and sent; the other names are its own. */
  counters: z.record(z.string().max(64), z.number()).optional(),
});
export type Heartbeat = z.infer<typeof heartbeat>;

/** Something that happened on a device (topic `events`). */
export const deviceEvent = z.object({
  type: z.string().min(1).max(64),
  severity: z.enum(["info", "warning", "error", "critical"]),
  at: z.iso.datetime({ offset: true }).optional(),
  detail: z.record(z.string(), z.json()).optional(),
});
export type DeviceEvent = z.infer<typeof deviceEvent>;

/** Log lines, newest last (topic `logs`). */
export const deviceLogs = z.object({
  lines: z
    .array(
      z.object({
        at: z.iso.datetime({ offset: true }).optional(),
        level: z.enum(["debug", "info", "warn", "error"]).default("info"),
        text: z.string().max(4_096),
      }),
    )
    .min(1)
    .max(1_000),
});
export type DeviceLogs = z.infer<typeof deviceLogs>;
