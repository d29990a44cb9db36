import { Skeleton } from "@mantine/core";
import type { UseQueryResult } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { ProblemNote } from "./ProblemNote.tsx";

type Props<Data> = { of: UseQueryResult<Data>; children: (data: Data) => ReactNode; lines?: number };

/** Shows an answer of the API: its skeleton while it loads, its problem when it failed, and what `children` make of it. */
export function Answer<Data>({ of, children, lines = 4 }: Props<Data>) {
  if (of.data !== undefined) return children(of.data);
  if (of.error !== null) return <ProblemNote error={of.error} retry={() => void of.refetch()} />;
  return <Lines count={lines} />;
}

export function Lines({ count }: { count: number }) {
  return (
    <div role="status" aria-label="Loading">
      {Array.from({ length: count }, (_, line) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the lines are all alike and never move
        <Skeleton key={line} height={16} mb={10} width={`${92 - ((line * 17) % 40)}%`} radius="sm" />
      ))}
    </div>
  );
}
