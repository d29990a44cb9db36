import { z } from "zod";
import type { Permission } from "./permissions.ts";

export type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

/**
 * One thing that the operator API can do, said once: the server registers it, the client calls it, OpenAPI shows it, the console
 * asks its permission. `path` stands below `/api/v1` and marks parameters with a colon.
 */
export type Operation<
  P extends z.ZodType = z.ZodType,
  Q extends z.ZodType = z.ZodType,
  B extends z.ZodType = z.ZodType,
  R extends z.ZodType = z.ZodType,
> = {
  readonly name: string;
  readonly method: Method;
  readonly path: `/${string}`;
  readonly summary: string;
  /** Who may: a permission, or `anyone` for what needs no sign-in at all. */
  readonly permission: Permission | "anyone";
  readonly params: P;
  readonly query: Q;
  readonly body: B;
  readonly response: R;
  /** The status of success: 200, or 201 where something was made. */
  readonly status: 200 | 201;
  /** `shown_once`: it holds a secret that the server keeps nowhere, so that it cannot be answered a second time. */
  readonly answer: "plain" | "shown_once";
};

type Spec<P, Q, B, R> = {
  name: string;
  method: Method;
  path: `/${string}`;
  summary: string;
  permission: Permission | "anyone";
  params?: P;
  query?: Q;
  body?: B;
  response: R;
  status?: 200 | 201;
  answer?: "shown_once";
};

// The casts below hold because a type parameter whose part is absent keeps its default, ZodUndefined.
const nothing = z.undefined();

/** Declares an operation. A part that is left out is `undefined` on both sides. */
export function operation<
  R extends z.ZodType,
  P extends z.ZodType = z.ZodUndefined,
  Q extends z.ZodType = z.ZodUndefined,
  B extends z.ZodType = z.ZodUndefined,
>(spec: Spec<P, Q, B, R>): Operation<P, Q, B, R> {
  const {
    params = nothing as unknown as P,
    query = nothing as unknown as Q,
    body = nothing as unknown as B,
    status = 200,
    answer = "plain",
    ...rest
  } = spec;
  return { ...rest, params, query, body, status, answer };
}
