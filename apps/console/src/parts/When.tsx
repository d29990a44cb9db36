import { absolute, relative } from "../format.ts";
import { useNow } from "./now.ts";

/** A moment as a ticking `42 s ago`; pointing at it tells the date and time. */
export function When({ at }: { at: string }) {
  const now = useNow();
  const moment = Date.parse(at);
  return (
    <time dateTime={at} title={absolute(moment)} style={{ whiteSpace: "nowrap" }}>
      {relative(moment, now)}
    </time>
  );
}
