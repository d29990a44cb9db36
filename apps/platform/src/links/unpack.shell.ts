import { promisify } from "node:util";
import { gunzip, type InputType, type ZlibOptions, type ZstdOptions, zstdDecompress } from "node:zlib";
import { httpProblems } from "../kernel/index.ts";
import { linkProblems } from "./errors.ts";

type Unpacker = (packed: InputType, options: ZlibOptions & ZstdOptions) => Promise<Buffer>;
const unpackers: ReadonlyMap<string, Unpacker> = new Map<string, Unpacker>([
  ["gzip", promisify(gunzip)],
  ["x-gzip", promisify(gunzip)],
  ["zstd", promisify(zstdDecompress)],
]);

/** [H9] A body as it was before its Content-Encoding. Stops at `most` bytes, however many more there would be. */
export async function unpack(body: Buffer, encoding: string | undefined, most: number): Promise<Buffer> {
  const name = (encoding ?? "identity").trim().toLowerCase();
  if (name === "identity") return body;
  const unpacker = unpackers.get(name);
  if (unpacker === undefined)
    throw linkProblems.content_encoding_unsupported(`Content-Encoding "${name.slice(0, 40)}" is not taken.`, {
      fix: "Use gzip or zstd, or none.",
    });
  try {
    return await unpacker(body, { maxOutputLength: most });
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ERR_BUFFER_TOO_LARGE")
      throw httpProblems.body_too_large(`The body has more than ${most} bytes when it is unpacked.`);
    throw linkProblems.content_encoding_invalid(`The body cannot be unpacked as ${name}.`, { cause });
  }
}
