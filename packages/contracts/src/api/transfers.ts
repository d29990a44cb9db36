import { z } from "zod";
import { pageOf, pageQuery, timestamp } from "./common.ts";
import { deviceId, tags } from "./devices.ts";
import { operation } from "./operation.ts";

/** `out`, `in`: to and from another owner. `return`: the same board from repair. `replaced`, `replaces`: the two sides of a change of boards. */
export const transferKind = z.enum(["out", "in", "return", "replaced", "replaces"]);
export type TransferKind = z.infer<typeof transferKind>;

/** A move of a device between owners or boards. */
export const transfer = z.object({
  id: z.string(),
  device: z.string(),
  kind: transferKind,
  at: timestamp,
  actor: z.string(),
  reason: z.string(),
  /** The other owner, or the other board. */
  other: z.string().optional(),
  /** The id of the voucher that was made or taken in. */
  voucher: z.string().optional(),
});
export type Transfer = z.infer<typeof transfer>;

const name = z.string().min(1).max(200);

/** What a voucher says (docs/protocol/enrollment.md 10); it is signed as CMS, and holds no secret. */
export const transferVoucher = z.strictObject({
  type: z.literal("tenfold.transfer.v1"),
  id: z.string().regex(/^trf_[A-Za-z0-9_-]{1,60}$/),
  serial: deviceId,
  model: z.string().max(64).optional(),
  tags,
  trustLevel: z.int().min(0).max(4),
  from: name,
  to: name,
  reason: z.string().min(1).max(500),
  createdAt: timestamp,
  expiresAt: timestamp,
  /** The manufacturer under whose certificate the device enrolled; `certificate` is its CA's, DER in base64. */
  manufacturer: z.strictObject({ name, fingerprint: z.string().max(64), certificate: z.string().max(20_000) }).optional(),
  /** What was issued to it, newest first, all revoked or ended by the transfer. */
  certificates: z
    .array(
      z.strictObject({
        serialNumber: z.string().max(64),
        fingerprint: z.string().max(64),
        notBefore: timestamp,
        notAfter: timestamp,
        state: z.string().max(16),
        revokedBecause: z.string().max(500).optional(),
      }),
    )
    .max(100),
});
export type TransferVoucher = z.infer<typeof transferVoucher>;

const id = z.object({ id: deviceId });
const reason = z.string().min(1).max(500);
/** DER in base64. */
const voucher = z.string().min(1).max(400_000);

export const transferOperations = {
  transferDevice: operation({
    name: "transferDevice",
    method: "POST",
    path: "/devices/:id/transfer",
    summary: "Gives a device to another owner: its identity here ends, its history stays, and a signed voucher tells what it was.",
    permission: "enrollment.write",
    params: id,
    body: z.strictObject({
      to: name,
      reason,
      /** How long the voucher may be taken in; 90 days unless told otherwise. */
      lifetimeS: z.int().min(60).max(31_536_000).default(7_776_000),
    }),
    response: z.object({ id: z.string(), device: z.string(), voucher }),
    status: 201,
  }),
  receiveDevice: operation({
    name: "receiveDevice",
    method: "POST",
    path: "/transfers",
    summary: "Takes a device in by its voucher: it is expected, and enrolls with its manufacturer's certificate.",
    permission: "enrollment.write",
    body: z.strictObject({
      voucher,
      /** The key of whom it comes from (`GET /identity/transfer-key` there). */
      publicKeyPem: z.string().min(1).max(20_000),
      reason: reason.default("taken in by its voucher"),
    }),
    response: z.object({
      id: z.string(),
      device: z.string(),
      from: z.string(),
      /** Whether the manufacturer's CA is a trust anchor here: without that the device cannot enroll. */
      manufacturer: z.enum(["trusted", "unknown", "unnamed"]),
      document: transferVoucher,
    }),
    status: 201,
  }),
  returnDevice: operation({
    name: "returnDevice",
    method: "POST",
    path: "/devices/:id/return",
    summary: "Takes a board back from repair: its certificates are revoked and it must enroll anew; tags, groups and history stay.",
    permission: "enrollment.write",
    params: id,
    body: z.strictObject({ reason }),
    response: z.object({ id: z.string(), device: z.string() }),
  }),
  replaceDevice: operation({
    name: "replaceDevice",
    method: "POST",
    path: "/devices/:id/replace",
    summary:
      "Puts another board in a device's place: it takes over model, tags and groups; the old one is retired with its history.",
    permission: "enrollment.write",
    params: id,
    body: z.strictObject({ by: deviceId, reason }),
    response: z.object({ id: z.string(), device: z.string(), by: z.string() }),
  }),
  listTransfers: operation({
    name: "listTransfers",
    method: "GET",
    path: "/transfers",
    summary: "Devices that changed hands or boards, newest first.",
    permission: "devices.read",
    query: pageQuery.extend({ device: z.string().optional() }),
    response: pageOf(transfer),
  }),
  getVoucher: operation({
    name: "getVoucher",
    method: "GET",
    path: "/transfers/:id/voucher",
    summary: "The voucher of a transfer again.",
    permission: "enrollment.read",
    params: z.object({ id: z.string() }),
    response: z.object({ voucher }),
  }),
  getTransferKey: operation({
    name: "getTransferKey",
    method: "GET",
    path: "/identity/transfer-key",
    summary: "The key that signs our vouchers; whoever takes our devices in believes it.",
    permission: "enrollment.read",
    response: z.object({ publicKeyPem: z.string(), fingerprint: z.string() }),
  }),
};
