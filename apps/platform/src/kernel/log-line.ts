const faint = "\u001b[2m";
const colors: Record<string, string> = { warn: "\u001b[33m", error: "\u001b[31m", debug: faint, info: "" };
const plain = "\u001b[0m";

/** One log entry (a JSON line) as a person at a terminal reads it: time, event, then what belongs to it. What is no entry stays as it is. */
export function humanLine(line: string): string {
  let entry: Record<string, unknown>;
  try {
    entry = JSON.parse(line) as Record<string, unknown>;
  } catch {
    return line;
  }
  const { time, level, event, part, ...rest } = entry;
  const fields = Object.entries(rest).map(
    ([name, value]) => `${name}=${typeof value === "string" ? value : JSON.stringify(value)}`,
  );
  const where = part === undefined ? "" : `${faint}${part}${plain} `;
  return `${faint}${String(time).slice(11, 19)}${plain} ${where}${colors[String(level)] ?? ""}${event}${plain} ${fields.join(" ")}`.trimEnd();
}
