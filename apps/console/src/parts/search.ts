import { useLocation, useRouter } from "@tanstack/react-router";

/** One word of the URL's search part. */
export function useSearchWord(name: string): string | undefined {
  const search: unknown = useLocation({ select: (location): unknown => location.search });
  if (typeof search !== "object" || search === null) return undefined;
  const value: unknown = Object.entries(search).find(([key]) => key === name)?.[1];
  return typeof value === "string" ? value : undefined;
}

/** The id in the path of a device or rollout page, decoded. */
export function useIdInPath(): string {
  const pathname = useLocation({ select: (location) => location.pathname });
  return decodeURIComponent(pathname.split("/")[2] ?? "");
}

/** Goes to a path of paths.ts; `replace` leaves no step back behind. */
export function useGo(): (path: string, how?: "push" | "replace") => void {
  const router = useRouter();
  return (path, how = "push") => (how === "push" ? router.history.push(path) : router.history.replace(path));
}
