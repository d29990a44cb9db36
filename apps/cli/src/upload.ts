import { createReadStream } from "node:fs";
import { Readable } from "node:stream";
import { setTimeout as wait } from "node:timers/promises";
import { describeError, Problem } from "@tenfold/base";
import type { ApiClient } from "@tenfold/contracts";

/** What is sent in one request: little enough to end within the server's minute on a slow line, and halved after each cut. */
const largestSlice = 16 * 1024 * 1024;
const smallestSlice = 256 * 1024;

export type File = { path: string; sha256: string; size: number };

export type UploadOptions = {
  /** Called with every step forward. */
  onProgress: (received: number) => void;
  /** Called when the line was cut, before the next try. */
  onCut: (because: string) => void;
  /** How long it goes on trying without one byte of progress. */
  patienceMs: number;
  firstPauseMs?: number;
};

const tus = { "tus-resumable": "1.0.0" };

/**
 * Uploads a file over tus 1.0. Goes on after a cut from where the server stands, also in a new process: the same file by the same account
 * is the same upload. Gives up when nothing has moved for `patienceMs`, or at once when the server refuses.
 */
export async function uploadFile(client: ApiClient, file: File, options: UploadOptions): Promise<void> {
  const { firstPauseMs = 500, patienceMs, onCut } = options;
  const state: State = { slice: largestSlice, offset: 0 };
  let [since, pause] = [performance.now(), firstPauseMs];
  for (;;) {
    const before = state.offset;
    const cut = await goOn(client, file, { ...options, state }).catch(asCut);
    if (cut === undefined) return;
    if (state.offset > before) [since, pause] = [performance.now(), firstPauseMs];
    if (performance.now() - since > patienceMs) throw cut;
    // It expired, or its bytes were wrong: the file is sent from its beginning.
    if (cut instanceof Problem && cut.code === "upload_unknown") delete state.location;
    onCut(describeError(cut));
    state.slice = Math.max(smallestSlice, state.slice / 2);
    await wait(pause);
    pause = Math.min(pause * 2, 15_000);
  }
}

type State = { location?: string; slice: number; offset: number };

/** What may be well in a moment comes back as it is; anything else ends the upload. */
function asCut(error: unknown): unknown {
  if (passes(error)) return error;
  throw error;
}

async function goOn(client: ApiClient, file: File, { state, onProgress }: UploadOptions & { state: State }): Promise<void> {
  state.location ??= await begin(client, file);
  const { location } = state;
  const stands = await client.raw("HEAD", location, { headers: tus });
  state.offset = offsetIn(stands);
  onProgress(state.offset);
  while (state.offset < file.size) {
    const end = Math.min(file.size, state.offset + state.slice);
    // Node's fetch wants `duplex` for a streamed body; the DOM types do not know it.
    const body = Readable.toWeb(createReadStream(file.path, { start: state.offset, end: end - 1 })) as unknown as NonNullable<
      RequestInit["body"]
    >;
    const answer = await client.raw("PATCH", location, {
      body,
      duplex: "half",
      headers: { ...tus, "content-type": "application/offset+octet-stream", "upload-offset": String(state.offset) },
    } as Parameters<ApiClient["raw"]>[2]);
    state.offset = offsetIn(answer);
    onProgress(state.offset);
  }
}

async function begin(client: ApiClient, { sha256, size }: File): Promise<string> {
  const metadata = `sha256 ${Buffer.from(sha256).toString("base64")}`;
  const begun = await client.raw("POST", "/api/v1/uploads", {
    headers: { ...tus, "upload-length": String(size), "upload-metadata": metadata },
  });
  return begun.headers.get("location") ?? "";
}

const offsetIn = (answer: Response): number => Number(answer.headers.get("upload-offset"));

const retried = new Set(["too_many_requests", "upload_offset_mismatch", "upload_unknown"]);

/** Whether it may be well in a moment: the line was cut, the server is away or busy, or somebody else moved the upload on. */
function passes(error: unknown): boolean {
  if (!(error instanceof Problem)) return true;
  return error.status >= 500 || retried.has(error.code);
}
