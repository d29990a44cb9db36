import { absolute, relative } from "../format.ts";
import { useNow } from "./now.ts";

/** A moment as a ticking `42 s ago`; pointing at it tells the date and time. `past` stands before one that is over. */
export function When({ at, past }: { at: string; past?: string }) {
  const now = useNow();
  const moment = Date.parse(at);
  return (
    <time dateTime={at} title={absolute(moment)} style={{ whiteSpace: "nowrap" }}>
      {past !== undefined && moment < now && `${past} `}
      {relative(moment, now)}
    </time>
  );
}
