import { queryProblems } from "./errors.ts";
import { type Filter, limits } from "./filter.ts";

/** What is behind a group's name: a filter (dynamic), or a list that only the store knows (static). */
export type GroupMeaning = { is: "dynamic"; filter: Filter } | { is: "static" };

/**
 * Replaces each dynamic group by its filter, so that only static groups are left to look up. Throws when a group does not exist, is
 * defined by itself, or makes the filter too long to run.
 */
export function expandGroups(filter: Filter, meaningOf: (name: string) => GroupMeaning | undefined): Filter {
  let terms = 0;
  const expand = (part: Filter, through: readonly string[]): Filter => {
    if (part.is === "and" || part.is === "or") return { is: part.is, of: part.of.map((each) => expand(each, through)) };
    if (part.is === "not") return { is: "not", of: expand(part.of, through) };
    if (part.is === "group") {
      const meaning = lookUp(part.name, through);
      if (meaning.is === "dynamic") return expand(meaning.filter, [...through, part.name]);
    }
    if (++terms > limits.termsAfterExpansion) throw tooLong(`has more than ${limits.termsAfterExpansion} terms`);
    return part;
  };
  const lookUp = (name: string, through: readonly string[]): GroupMeaning => {
    if (through.includes(name))
      throw queryProblems.filter_group_circular(`Group "${name}" is defined by itself: ${[...through, name].join(" → ")}.`, {
        field: "filter",
        fix: "Take one of these groups out of the filter.",
      });
    if (through.length >= limits.depth) throw tooLong(`nests groups more than ${limits.depth} deep`);
    const meaning = meaningOf(name);
    if (meaning === undefined)
      throw queryProblems.filter_group_unknown(`There is no group "${name}".`, {
        field: "filter",
        fix: "See the groups with: tenfold group list",
      });
    return meaning;
  };
  return expand(filter, []);
}

const tooLong = (because: string) =>
  queryProblems.filter_too_long(`The filter with its groups ${because}.`, { field: "filter", fix: "Use fewer groups of groups." });

/** Every group that the filter names itself, without looking into them. */
export function groupsNamedIn(filter: Filter): string[] {
  if (filter.is === "and" || filter.is === "or") return [...new Set(filter.of.flatMap(groupsNamedIn))];
  if (filter.is === "not") return groupsNamedIn(filter.of);
  return filter.is === "group" ? [filter.name] : [];
}
