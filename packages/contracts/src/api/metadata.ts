import { z } from "zod";
import { timestamp } from "./common.ts";
import { operation } from "./operation.ts";

const repository = z.enum(["image", "director"]);

const roleStatus = z.object({
  role: z.string(),
  version: z.int(),
  expires: timestamp,
  expired: z.boolean(),
  /** Who may sign it, where the root says so. */
  keyids: z.array(z.string()).optional(),
  threshold: z.int().optional(),
});
const repositoryStatus = z.object({ set: z.boolean(), roles: z.array(roleStatus) });

/** A public key in the form of TUF metadata. */
const tufKey = z.object({ keytype: z.string(), scheme: z.string(), keyval: z.object({ public: z.string() }) });

export const metadataStatus = z.object({
  /** The server's own key, to be named in both roots. */
  online: z.object({ keyid: z.string(), key: tufKey }),
  image: repositoryStatus.extend({ targets: z.int() }),
  director: repositoryStatus,
});
export type MetadataStatus = z.infer<typeof metadataStatus>;

/** A file of metadata, letter for letter. */
const text = z.string().min(2).max(30_000_000);

export const metadataOperations = {
  getMetadataStatus: operation({
    name: "getMetadataStatus",
    method: "GET",
    path: "/metadata",
    summary: "The signed metadata of both repositories: versions, ends, keys; and the server's own key.",
    permission: "releases.read",
    response: metadataStatus,
  }),
  getMetadataFile: operation({
    name: "getMetadataFile",
    method: "GET",
    path: "/metadata/:repository/:name",
    summary: "One file of metadata, such as 1.root.json.",
    permission: "releases.read",
    params: z.object({ repository, name: z.string().max(300) }),
    response: z.object({ name: z.string(), text: z.string() }),
  }),
  publishRoot: operation({
    name: "publishRoot",
    method: "POST",
    path: "/metadata/:repository/root",
    summary: "Publishes the next root of a repository. It must be signed as the one before asks, and as it asks itself.",
    permission: "releases.write",
    params: z.object({ repository }),
    body: z.strictObject({ text }),
    response: metadataStatus,
  }),
  publishTargets: operation({
    name: "publishTargets",
    method: "POST",
    path: "/metadata/image/targets/:role",
    summary: "Publishes the next targets file of the image repository, or of a role that it delegates to.",
    permission: "releases.write",
    params: z.object({ role: z.string().min(1).max(100) }),
    body: z.strictObject({ text }),
    response: metadataStatus,
  }),
};
