import { createReadStream } from "node:fs";
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { setTimeout as pause } from "node:timers/promises";
import { describeError, seconds } from "@tenfold/base";
import { AwsClient } from "aws4fetch";
import { type Blobs, blobProblems } from "./port.ts";
import { openSpool, type Spooled } from "./spool.ts";

export type S3Options = {
  /** `https://s3.example:9000`; Amazon's of the region unless told otherwise. */
  endpoint?: string;
  bucket: string;
  region: string;
  accessKey: string;
  secret: string;
  /** Begins the names of objects: `artifacts/`. */
  prefix: string;
  /** Where an upload waits until its hash is known. */
  spoolDir: string;
};

const answerMs = seconds(30);
const tries = 4;
const emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

type Ask = { method: string; key: string; sha256?: string; headers?: Record<string, string>; body?: Spooled };

/**
 * Content-addressed objects in an S3-compatible bucket. What is put is first spooled and hashed here; the one PUT to its final name is signed over
 * that hash (`x-amz-content-sha256`), so that the store itself refuses other bytes. Rejects at once where the bucket cannot be reached.
 */
export async function openS3Blobs(options: S3Options): Promise<Blobs> {
  const spool = await openSpool(options.spoolDir);
  const ask = asking(options);
  const nameOf = (sha256: string) => `${options.prefix}${sha256}`;
  await assertBucket(ask, options);

  const sizeOf = async (sha256: string) => {
    const answer = await ask({ method: "HEAD", key: nameOf(sha256) });
    answer.resume();
    return answer.statusCode === 200 ? Number(answer.headers["content-length"]) : refuseUnless(404, answer, options);
  };
  return {
    put: (source, wish) =>
      spool.take(source, wish, async (spooled) => {
        const { sha256, size } = spooled;
        if ((await sizeOf(sha256)) === size) return { sha256, size };
        const answer = await ask({ method: "PUT", key: nameOf(sha256), sha256, body: spooled });
        answer.resume();
        refuseUnless(200, answer, options);
        return { sha256, size };
      }),
    async stat(sha256) {
      const size = await sizeOf(sha256);
      return size === undefined ? undefined : { size };
    },
    async remove(sha256) {
      const answer = await ask({ method: "DELETE", key: nameOf(sha256) });
      answer.resume();
      if (answer.statusCode !== 404) refuseUnless(204, answer, options);
    },
    read: (sha256, range) => Readable.from(bytesOf(() => ask({ method: "GET", key: nameOf(sha256), ...rangeOf(range) }), options)),
  };
}

const rangeOf = (range: { start: number; end: number } | undefined) =>
  range === undefined ? {} : { headers: { range: `bytes=${range.start}-${range.end}` } };

async function* bytesOf(open: () => Promise<IncomingMessage>, options: S3Options): AsyncGenerator<Buffer> {
  const answer = await open();
  if (answer.statusCode !== 206) refuseUnless(200, answer, options);
  const announced = Number(answer.headers["content-length"]);
  let came = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    came += chunk.length;
    yield chunk;
  }
  // A connection that broke off must not look like a short file.
  if (came !== announced)
    throw blobProblems.blob_store_unavailable(`The store sent ${came} of ${announced} bytes.`, { retryAfterS: 5 });
}

/** Undefined when the answer has this status; throws with what the store means otherwise. */
function refuseUnless(status: number, { statusCode = 0 }: IncomingMessage, { bucket, endpoint }: S3Options): undefined {
  if (statusCode === status) return undefined;
  const where = `The bucket ${bucket}${endpoint === undefined ? "" : ` at ${endpoint}`}`;
  if (statusCode >= 500 || statusCode === 429)
    throw blobProblems.blob_store_unavailable(`${where} answers ${statusCode}.`, { retryAfterS: 5 });
  throw blobProblems.blob_store_refused(`${where} answers ${statusCode} where ${status} was expected.`, {
    fix: "Check TENFOLD_S3_BUCKET, _REGION, _ACCESS_KEY and _SECRET_FILE, and that the key may get, put, head and delete objects there.",
  });
}

async function assertBucket(ask: ReturnType<typeof asking>, options: S3Options): Promise<void> {
  const answer = await ask({ method: "HEAD", key: "" });
  answer.resume();
  if (answer.statusCode === 404)
    throw blobProblems.blob_store_refused(`There is no bucket ${options.bucket}.`, {
      fix: "Create it, or name another in TENFOLD_S3_BUCKET.",
    });
  refuseUnless(200, answer, options);
}

/** Signs (AWS Signature Version 4) and sends; tries again, with the body from its file, where the store does not answer or says "later". */
function asking({ endpoint, bucket, region, accessKey, secret }: S3Options): (wish: Ask) => Promise<IncomingMessage> {
  const signer = new AwsClient({ accessKeyId: accessKey, secretAccessKey: secret, service: "s3", region });
  const base = `${(endpoint ?? `https://s3.${region}.amazonaws.com`).replace(/\/$/, "")}/${bucket}`;
  const agents = { http: new HttpAgent({ keepAlive: true }), https: new HttpsAgent({ keepAlive: true }) };
  const send = async ({ method, key, sha256 = emptyHash, headers = {}, body }: Ask): Promise<IncomingMessage> => {
    const length: Record<string, string> = body === undefined ? {} : { "content-length": String(body.size) };
    const signed = await signer.sign(`${base}/${key}`, { method, headers: { ...headers, "x-amz-content-sha256": sha256 } });
    const url = new URL(signed.url);
    const secure = url.protocol === "https:";
    const outgoing = (secure ? httpsRequest : httpRequest)(url, {
      method,
      headers: { ...Object.fromEntries(signed.headers), ...length },
      agent: secure ? agents.https : agents.http,
      timeout: answerMs,
    });
    outgoing.on("timeout", () => outgoing.destroy(new Error(`no answer within ${answerMs} ms`)));
    const answered = new Promise<IncomingMessage>((resolve, reject) => {
      outgoing.once("response", resolve);
      outgoing.once("error", reject);
    });
    if (body === undefined) outgoing.end();
    // A store that refuses before the end closes the way in; its answer says why.
    else await Promise.race([pipeline(createReadStream(body.path), outgoing).catch(() => undefined), answered]);
    return answered;
  };
  return async (wish) => {
    for (let tried = 1; ; tried++) {
      try {
        const answer = await send(wish);
        if (tried === tries || ((answer.statusCode ?? 0) < 500 && answer.statusCode !== 429)) return answer;
        answer.resume();
      } catch (cause) {
        if (tried === tries)
          throw blobProblems.blob_store_unavailable(`The artifact store does not answer: ${describeError(cause)}`, {
            cause,
            fix: "Check that it runs and that TENFOLD_S3_ENDPOINT names it.",
            retryAfterS: 5,
          });
      }
      await pause(100 * 4 ** (tried - 1));
    }
  };
}
