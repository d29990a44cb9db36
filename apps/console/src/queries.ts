import { QueryClient, queryOptions } from "@tanstack/react-query";
import { Problem } from "@tenfold/base";
import { type ApiClient, type Call, createClient, type Operation } from "@tenfold/contracts";

/** The console is an API client like any other; the session cookie goes along by itself. */
export const client: ApiClient = createClient({ baseUrl: location.origin });

/** A question to the API. Its key starts with the operation's name, which is what live events invalidate by. */
export function ask<Op extends Operation>(operation: Op, call: Call<Op>) {
  return queryOptions({
    queryKey: [operation.name, call] as const,
    queryFn: ({ signal }) => client.call(operation, call, { signal }),
  });
}

export const queryClient = new QueryClient({
  defaultOptions: {
    queries: { staleTime: 2_000, retry: (failures, error) => failures < 2 && !isAnswer(error), retryDelay: 1_500 },
  },
});

/** Whether the server has spoken: asking again would bring the same. */
const isAnswer = (error: Error): boolean => error instanceof Problem && error.status < 500;
