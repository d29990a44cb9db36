import { useQuery } from "@tanstack/react-query";
import { api, type Permission } from "@tenfold/contracts";
import { ask } from "../queries.ts";
import { judge, type Verdict } from "./judge.ts";

export const useSession = () => useQuery({ ...ask(api.whoAmI, {}), staleTime: 60_000 });

/** Whether the signed-in person may do an operation: the same table that the server enforces. */
export function useMay(operation: { readonly permission: Permission | "anyone" }): Verdict {
  const { data } = useSession();
  return judge(data?.role ?? undefined, operation.permission);
}
