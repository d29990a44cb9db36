import { type HttpStatus, Problem } from "@tenfold/base";
import type { z } from "zod";
import { problemDocument } from "./common.ts";
import type { Operation } from "./operation.ts";

/** Parts that the operation does not have need not be given. */
export type Call<Op extends Operation> = Part<"params", z.input<Op["params"]>> &
  Part<"query", z.input<Op["query"]>> &
  Part<"body", z.input<Op["body"]>>;
type Part<Name extends string, Value> = [Value] extends [undefined] ? unknown : { [Key in Name]: Value };

export type ApiClient = {
  call<Op extends Operation>(
    operation: Op,
    call: Call<Op>,
    options?: { signal?: AbortSignal; idempotencyKey?: string },
  ): Promise<z.output<Op["response"]>>;
  /** A raw request below the base URL with the same authorization; throws a Problem as `call` does. */
  raw(
    method: string,
    path: string,
    init?: { body?: NonNullable<RequestInit["body"]>; headers?: Record<string, string>; signal?: AbortSignal },
  ): Promise<Response>;
};

export type ClientOptions = {
  baseUrl: string;
  /** A function where the token may have to be renewed: it is asked before each request. */
  token?: string | (() => Promise<string | undefined>);
  fetch?: typeof fetch;
};

/** Calls the operator API. Failures are Problems with the server's code; `unreachable` when no server answered. */
export function createClient({ baseUrl, token, fetch: send = fetch }: ClientOptions): ApiClient {
  const raw: ApiClient["raw"] = async (method, path, init = {}) => {
    const bearer = typeof token === "function" ? await token() : token;
    const authorization: Record<string, string> = bearer === undefined ? {} : { authorization: `Bearer ${bearer}` };
    const response = await reach(send, new URL(path, baseUrl), { method, ...init, headers: { ...authorization, ...init.headers } });
    if (!response.ok) throw await problemFrom(response);
    return response;
  };
  return {
    raw,
    async call(op, call, options = {}) {
      const { params, query, body } = call as { params?: Record<string, string>; query?: Record<string, unknown>; body?: unknown };
      const headers: Record<string, string> = body === undefined ? {} : { "content-type": "application/json" };
      if (options.idempotencyKey) headers["idempotency-key"] = options.idempotencyKey;
      const response = await raw(op.method, pathOf(op.path, { params, query }), {
        headers,
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        ...(options.signal ? { signal: options.signal } : {}),
      });
      // `parse` of this very schema gives its output type; the compiler loses the link through the type parameter.
      return op.response.parse(await response.json()) as z.output<(typeof op)["response"]>;
    },
  };
}

export function pathOf(
  template: string,
  { params = {}, query = {} }: { params?: Record<string, string> | undefined; query?: Record<string, unknown> | undefined },
): string {
  const path = template.replace(/:([A-Za-z]+)/g, (_, name: string) => encodeURIComponent(params[name] ?? ""));
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value !== undefined) search.set(name, String(value));
  return `/api/v1${path}${search.size > 0 ? `?${search}` : ""}`;
}

async function reach(send: typeof fetch, url: URL, init: RequestInit): Promise<Response> {
  try {
    return await send(url, init);
  } catch (cause) {
    if (init.signal?.aborted) throw cause;
    throw new Problem({ code: "unreachable", status: 503 }, `No Tenfold server answers at ${url.origin}.`, {
      cause,
      fix: "Start one with `npm start`, or name another by TENFOLD_URL.",
    });
  }
}

async function problemFrom(response: Response): Promise<Problem> {
  const text = await response.text();
  const parsed = problemDocument.safeParse(parseJson(text));
  // Only a Problem's own statuses are sent by our server; another status is kept as it came, for the message.
  const status = response.status as HttpStatus;
  if (!parsed.success)
    return new Problem({ code: "unexpected_answer", status }, `The server answered ${response.status}: ${text.slice(0, 300)}`);
  const { code, detail, field, fix } = parsed.data;
  return new Problem({ code, status }, detail, { ...(field ? { field } : {}), ...(fix ? { fix } : {}) });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
