import { printFilter, readFilter } from "@tenfold/query";

/** Examples of the filter language, each of use by itself. */
export const filterExamples: readonly { filter: string; meaning: string }[] = [
  { filter: "status:offline", meaning: "Devices whose contact lease has long ended" },
  { filter: "status:late", meaning: "Devices that should have spoken by now" },
  { filter: "lastSeen:>2h", meaning: "Not heard of for more than two hours" },
  { filter: "lifecycle:quarantined", meaning: "Suspected of being taken over" },
  { filter: "-status:online lifecycle:active", meaning: "Active devices that cannot be reached" },
];

/** Why a text is no filter, in words. `at` counts characters from the start. */
export type FilterFault = { at: number; message: string; fix?: string };

/** Reads a filter with the very parser that the server uses; undefined when it is fine. */
export function checkFilter(text: string): FilterFault | undefined {
  const reading = readFilter(text);
  if (reading.is === "filter") return undefined;
  const { at, found, expected, suggestion } = reading.refusal;
  return {
    at,
    message: `Character ${at + 1}${found === "" ? "" : ` (“${found}”)`}: expected ${expected}.`,
    ...(suggestion === undefined ? {} : { fix: `Did you mean ${suggestion}?` }),
  };
}

/** The filter for all devices that carry a tag, quoted as the language needs it. */
export const tagFilter = (key: string, value: string): string => printFilter({ is: "tag", key, value });
