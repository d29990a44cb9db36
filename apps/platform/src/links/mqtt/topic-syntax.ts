import { malformed } from "./reasons.ts";

/** [MQTT-4.7] A topic name: not empty, no wildcard. Control characters were refused when the text was read. */
export function checkTopic(topic: string): void {
  if (topic === "") throw malformed("An empty topic.");
  if (topic.includes("+") || topic.includes("#")) throw malformed("A topic name with a wildcard.");
}

/** [MQTT-4.7.1, 4.8.2] A topic filter; says whether it is a shared subscription's. */
export function checkFilter(filter: string): boolean {
  if (filter === "") throw malformed("An empty topic filter.");
  const levels = filter.split("/");
  const shared = levels[0] === "$share";
  if (
    shared &&
    (levels.length < 3 || levels[1] === "" || /[+#]/.test(levels[1] ?? "") || (levels.length === 3 && levels[2] === ""))
  ) {
    throw malformed("A shared subscription without a share name or without a filter.");
  }
  for (const [i, level] of levels.entries()) {
    const misplaced = (level.includes("#") && (level !== "#" || i !== levels.length - 1)) || (level.includes("+") && level !== "+");
    if (misplaced) throw malformed("A topic filter with a wildcard that is not a level of its own, or not the last.");
  }
  return shared;
}

/** How many levels a topic or a filter has. */
export function levelsOf(topic: string): number {
  let levels = 1;
  for (let i = topic.indexOf("/"); i >= 0; i = topic.indexOf("/", i + 1)) levels++;
  return levels;
}
