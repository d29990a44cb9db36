import { useInfiniteQuery } from "@tanstack/react-query";
import { api } from "@tenfold/contracts";
import { cli } from "../cli.ts";
import { count, counted } from "../format.ts";
import { Lines } from "../parts/Answer.tsx";
import { CopyLine } from "../parts/CopyLine.tsx";
import { ProblemNote } from "../parts/ProblemNote.tsx";
import { Empty } from "../parts/Section.tsx";
import { useGo, useSearchWord } from "../parts/search.ts";
import { paths } from "../paths.ts";
import { client } from "../queries.ts";
import { Page } from "../shell/Page.tsx";
import { DeviceTable } from "./DeviceTable.tsx";
import { FilterBar } from "./FilterBar.tsx";

const pageSize = 200;

/** All devices, or those that a filter names. The filter stands in the URL. */
export function DevicesPage() {
  const filter = useSearchWord("filter") ?? "";
  const go = useGo();
  const list = useDevices(filter);
  const devices = list.data?.pages.flatMap((page) => page.items) ?? [];
  const total = list.data?.pages[0]?.total;
  return (
    <Page
      title="Devices"
      name="Devices"
      cli={cli.devices(filter)}
      lead={total === undefined ? undefined : `${counted(total, "device")}${filter === "" ? "" : " match"}`}
    >
      <FilterBar filter={filter} error={list.error} onFilter={(next) => go(paths.devices({ filter: next }), "replace")} />
      {list.isPending && <Lines count={12} />}
      {list.error && list.data === undefined && !isFilterProblem(list.error) && (
        <ProblemNote error={list.error} retry={() => void list.refetch()} />
      )}
      {total === 0 && <NoDevices filter={filter} />}
      {devices.length > 0 && (
        <DeviceTable
          devices={devices}
          total={total ?? devices.length}
          more={list.hasNextPage && !list.isFetchingNextPage ? () => void list.fetchNextPage() : undefined}
        />
      )}
      {total !== undefined && devices.length < total && (
        <p role="status">
          {count(devices.length)} of {count(total)} shown; more come as you scroll.
        </p>
      )}
    </Page>
  );
}

/** Shown at the field instead of as a failure of the page. */
export const isFilterProblem = (error: Error): boolean => "status" in error && (error.status === 422 || error.status === 400);

function useDevices(filter: string) {
  return useInfiniteQuery({
    queryKey: [api.listDevices.name, { query: { filter } }],
    queryFn: ({ signal, pageParam }) =>
      client.call(
        api.listDevices,
        { query: { limit: pageSize, ...(filter === "" ? {} : { filter }), ...(pageParam === "" ? {} : { cursor: pageParam }) } },
        { signal },
      ),
    initialPageParam: "",
    getNextPageParam: (page) => page.nextCursor,
    refetchInterval: 15_000,
  });
}

function NoDevices({ filter }: { filter: string }) {
  if (filter !== "") return <Empty title="No device matches this filter.">Take a word away, or try one of the examples.</Empty>;
  return (
    <Empty title="No devices yet.">
      Simulate some, or enroll one; each appears here by itself.
      <CopyLine line={cli.simulate(50)} label="Copy the command" />
      <CopyLine line={cli.enrollCode("SERIAL")} label="Copy the command" />
    </Empty>
  );
}
