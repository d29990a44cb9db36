import { type MaintenanceWindow, maintenanceWindow, weekdays } from "@tenfold/contracts";

/** A maintenance window as one line: `sat,sun 22:00-04:00 Europe/Berlin site=berlin`. Days and tag may be left out. */
export function writeWindow({ days, from, to, zone, tag }: MaintenanceWindow): string {
  return [days?.join(","), `${from}-${to}`, zone, tag].filter((part) => part !== undefined).join(" ");
}

export type LineReading = { is: "window"; window: MaintenanceWindow } | { is: "unreadable"; because: string };

const example = "Write it like sat,sun 22:00-04:00 Europe/Berlin.";

/** Reads one line; says what is wrong with it where it is none. */
export function readWindow(line: string): LineReading {
  const words = line.trim().split(/\s+/);
  const days = isDays(words[0] ?? "") ? words.shift()?.toLowerCase().split(",") : undefined;
  const [times = "", zone, tag, ...rest] = words;
  const [from, to] = times.split(/[-–]/);
  if (zone === undefined) return { is: "unreadable", because: `“${line.trim()}” names no time zone. ${example}` };
  if (rest.length > 0) return { is: "unreadable", because: `“${rest.join(" ")}” stands after the window's tag. ${example}` };
  const reading = maintenanceWindow.safeParse({ from, to, zone, ...(days ? { days } : {}), ...(tag ? { tag } : {}) });
  if (reading.success) return { is: "window", window: reading.data };
  const [issue] = reading.error.issues;
  return { is: "unreadable", because: `“${line.trim()}”: ${issue?.message ?? "cannot be read"} ${example}` };
}

const isDays = (word: string): boolean =>
  word !== "" && word.split(",").every((day) => (weekdays as readonly string[]).includes(day.toLowerCase()));

export type WindowsReading = { is: "windows"; windows: MaintenanceWindow[] } | { is: "unreadable"; because: string };

/** A window a line; empty lines are none. */
export function readWindows(text: string): WindowsReading {
  const windows: MaintenanceWindow[] = [];
  for (const line of text.split("\n").filter((each) => each.trim() !== "")) {
    const reading = readWindow(line);
    if (reading.is === "unreadable") return reading;
    windows.push(reading.window);
  }
  return { is: "windows", windows };
}
