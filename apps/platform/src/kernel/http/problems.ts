import { defineProblems, describeError, newId, Problem } from "@tenfold/base";
import type { ProblemDocument } from "@tenfold/contracts";
import type { FastifyError, FastifyReply, FastifyRequest } from "fastify";
import { hasZodFastifySchemaValidationErrors } from "fastify-type-provider-zod";
import type { Log } from "../log.ts";
import { awayProblem } from "../postgres/index.ts";

export const httpProblems = defineProblems({
  input_invalid: 422,
  body_unreadable: 400,
  body_too_large: 413,
  media_type_unknown: 415,
  not_signed_in: 401,
  not_allowed: 403,
  origin_refused: 403,
  route_unknown: 404,
  precondition_unsupported: 412,
  too_many_requests: 429,
  internal: 500,
  shutting_down: 503,
});

/** Answers every failure as RFC 9457. What was not foreseen becomes `internal` with an id that stands in the log. */
export function answerProblem(log: Log) {
  return async (error: FastifyError | Error, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const problem = asProblem(error);
    if (problem.code === "internal")
      log.error("http.failed", {
        problem: problem.message,
        method: request.method,
        route: request.routeOptions.url,
        because: describeError(error),
        stack: error.stack,
      });
    return sendProblem(reply, problem);
  };
}

export function sendProblem(reply: FastifyReply, problem: Problem): FastifyReply {
  if (problem.retryAfterS !== undefined) reply.header("Retry-After", String(problem.retryAfterS));
  return reply
    .status(problem.status)
    .header("Content-Type", "application/problem+json")
    .send(JSON.stringify(problemDocumentOf(problem)));
}

export function problemDocumentOf(problem: Problem): ProblemDocument {
  const { code, status, message: detail, field, fix } = problem;
  return {
    type: `urn:tenfold:problem:${code}`,
    title: code.replaceAll("_", " "),
    status,
    code,
    detail,
    ...(field ? { field } : {}),
    ...(fix ? { fix } : {}),
  };
}

function asProblem(error: FastifyError | Error): Problem {
  if (error instanceof Problem) return error;
  if (hasZodFastifySchemaValidationErrors(error)) return invalidInput(error);
  const { statusCode } = error as FastifyError;
  if (statusCode === 413) return httpProblems.body_too_large("The body is larger than this path allows.");
  if (statusCode === 415)
    return httpProblems.media_type_unknown("This media type is not understood here.", {
      fix: "Send Content-Type: application/json.",
    });
  if (statusCode === 400) return httpProblems.body_unreadable(`The body could not be read: ${error.message}`);
  const away = awayProblem(error);
  if (away !== undefined) return away;
  return httpProblems.internal(`Something failed inside Tenfold. The server's log says more under ${newId("err")}.`);
}

type ZodIssues = { validation: { instancePath: string; message?: string | undefined }[]; validationContext?: string };

function invalidInput(error: Error): Problem {
  // fastify-type-provider-zod has just been asked whether this is its error; its shape is the one below.
  const { validation, validationContext = "body" } = error as Error & ZodIssues;
  const first = validation[0];
  const path = (first?.instancePath ?? "").replace(/^\//, "").replaceAll("/", ".");
  const field = [validationContext, path].filter(Boolean).join(".");
  const more = validation.length > 1 ? ` (and ${validation.length - 1} more)` : "";
  return httpProblems.input_invalid(`${field}: ${first?.message ?? "is not what this operation takes"}${more}`, { field });
}
