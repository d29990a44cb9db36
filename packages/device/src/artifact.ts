import type { IncomingMessage } from "node:http";
import { deviceProblems } from "./errors.ts";
import { ask, type DeviceServer, type Identity } from "./https.ts";

export type ArtifactWish = {
  readonly server: DeviceServer;
  readonly identity: Identity;
  readonly path: string;
  readonly from: number;
  readonly signal?: AbortSignal;
};

const idleMs = 10_000;

/**
 * An artifact's bytes from `from` on (RFC 9110 14.2). Throws `download_refused` where the platform will not give it, `download_failed` where
 * another try may help; reading rejects with `download_failed` when the connection breaks or is silent for 10 s.
 */
export async function fetchArtifact({ server, identity, path, from, signal }: ArtifactWish): Promise<AsyncIterable<Uint8Array>> {
  const headers = from > 0 ? { Range: `bytes=${from}-` } : {};
  const answer = await ask({ server, identity, path, headers, idleMs, signal }).catch((cause: unknown) => {
    throw deviceProblems.download_failed(`${path} was not reached.`, { cause });
  });
  const status = answer.statusCode ?? 0;
  const whole = status === 200 && from === 0;
  const rest = status === 206 && answer.headers["content-range"]?.startsWith(`bytes ${from}-`) === true;
  if (whole || rest) return piecesOf(answer, path);
  answer.destroy();
  const temporary = status >= 500 || status === 429 || status === 408 || status === 200;
  throw (temporary ? deviceProblems.download_failed : deviceProblems.download_refused)(
    `${path} from byte ${from} on was answered with ${status}.`,
  );
}

async function* piecesOf(answer: IncomingMessage, path: string): AsyncGenerator<Uint8Array> {
  try {
    yield* answer as AsyncIterable<Uint8Array>;
  } catch (cause) {
    throw deviceProblems.download_failed(`The download of ${path} broke off.`, { cause });
  } finally {
    answer.destroy();
  }
}
