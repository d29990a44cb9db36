import type { IncomingHttpHeaders } from "node:http";
import { releaseProblems } from "../errors.ts";

/** The tus resumable upload protocol, core and the extensions creation, expiration and termination (https://tus.io/protocols/resumable-upload). */
export const tusVersion = "1.0.0";
export const tusExtensions = "creation,expiration,termination";
/** [tus 1.0 PATCH] The one media type that bytes come in. */
export const offsetStream = "application/offset+octet-stream";

/** What a client says when it begins: the artifact's name, which is its hash, and how long it will be. */
export type Creation = { sha256: string; size: number };

/** Reads the headers of a creation. The hash stands in `Upload-Metadata` as `sha256`, base64 as everything there. */
export function readCreation(headers: IncomingHttpHeaders): Creation {
  const size = wholeNumber(headers["upload-length"]);
  if (size === undefined || size === 0)
    throw releaseProblems.upload_header_invalid("Upload-Length must say how many bytes the artifact has.", {
      field: "headers.upload-length",
      fix: "Say the length when the upload begins: a length that comes later (Upload-Defer-Length) is not taken.",
    });
  const sha256 = readMetadata(headers["upload-metadata"]).get("sha256");
  if (sha256 === undefined || !/^[0-9a-f]{64}$/.test(sha256))
    throw releaseProblems.upload_header_invalid(
      "Upload-Metadata must carry sha256: the artifact's SHA-256, 64 digits of lower-case hex.",
      {
        field: "headers.upload-metadata",
        fix: "Upload-Metadata: sha256 <base64 of the hex text>",
      },
    );
  return { sha256, size };
}

/** Where the bytes of a PATCH go. */
export function readOffset(headers: IncomingHttpHeaders): number {
  const offset = wholeNumber(headers["upload-offset"]);
  if (offset !== undefined) return offset;
  throw releaseProblems.upload_header_invalid("Upload-Offset must say where the bytes go.", { field: "headers.upload-offset" });
}

/** [tus 1.0] Every request but OPTIONS says which version it speaks. */
export function assertVersion(headers: IncomingHttpHeaders): void {
  if (headers["tus-resumable"] === tusVersion) return;
  throw releaseProblems.upload_version_unsupported(`Uploads speak tus ${tusVersion}.`, {
    field: "headers.tus-resumable",
    fix: `Send Tus-Resumable: ${tusVersion}.`,
  });
}

/** [tus creation] `name base64,name base64`; a name may stand without a value. */
export function readMetadata(header: string | string[] | undefined): Map<string, string> {
  const pairs = String(header ?? "")
    .split(",")
    .map((pair) => pair.trim().split(/ +/))
    .filter(([name]) => name !== undefined && name !== "");
  return new Map(pairs.map(([name = "", value = ""]) => [name, Buffer.from(value, "base64").toString("utf8")]));
}

/** Node joins most headers that come twice by a comma, which is no number. */
function wholeNumber(header: string | string[] | undefined): number | undefined {
  if (typeof header !== "string" || !/^\d{1,15}$/.test(header)) return undefined;
  return Number(header);
}
