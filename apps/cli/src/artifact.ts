import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { minutes } from "@tenfold/base";
import type { ApiClient } from "@tenfold/contracts";
import type { Output } from "./output.ts";
import { uploadFile } from "./upload.ts";

/** A file's SHA-256 and size, as a release states them. */
export async function describeArtifact(path: string): Promise<{ sha256: string; size: number }> {
  const hash = createHash("sha256");
  let size = 0;
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
    hash.update(chunk);
    size += chunk.length;
  }
  return { sha256: hash.digest("hex"), size };
}

const patienceMs = minutes(10);

/** Uploads a file under its hash, showing how far it is. What the server has already is not sent again. */
export async function pushArtifact(
  client: ApiClient,
  path: string,
  out?: Pick<Output, "note" | "progress">,
): Promise<{ sha256: string; size: number; already: boolean }> {
  const described = await describeArtifact(path);
  if (await isHeld(client, described.sha256)) return { ...described, already: true };
  const startedAt = performance.now();
  await uploadFile(
    client,
    { path, ...described },
    {
      patienceMs,
      onProgress: (received) => out?.progress(progressLine(received, described.size, performance.now() - startedAt)),
      onCut: (because) => out?.note(`Interrupted: ${because} It goes on from where the server stands.`),
    },
  );
  out?.progress(undefined);
  return { ...described, already: false };
}

const isHeld = (client: ApiClient, sha256: string): Promise<boolean> =>
  client.raw("HEAD", `/api/v1/artifacts/${sha256}`).then(
    () => true,
    () => false,
  );

/** `43 %  86.0 of 200.0 MB  12.3 MB/s` */
export function progressLine(received: number, size: number, elapsedMs: number): string {
  const megabytes = (bytes: number) => (bytes / 1e6).toFixed(1);
  const percent = size === 0 ? 100 : Math.floor((received / size) * 100);
  const speed = elapsedMs > 0 ? `  ${megabytes((received / elapsedMs) * 1_000)} MB/s` : "";
  return `${percent} %  ${megabytes(received)} of ${megabytes(size)} MB${speed}`;
}
