import type { Problem } from "@tenfold/base";
import { type FilterRefusal, queryProblems, RefusalError, refuse } from "./errors.ts";
import { type Filter, limits } from "./filter.ts";
import { readTerm } from "./terms.ts";
import { type Token, tokenize } from "./tokens.ts";

export type FilterReading = { is: "filter"; filter: Filter } | { is: "refused"; refusal: FilterRefusal };

/** Reads a filter, or says where and why it is none. Empty text is the filter that lets everything through. */
export function readFilter(text: string): FilterReading {
  try {
    return { is: "filter", filter: parseTokens(tokenize(checkText(text))) };
  } catch (error) {
    if (error instanceof RefusalError) return { is: "refused", refusal: error.refusal };
    throw error;
  }
}

/** As `readFilter`, but throws the Problem `filter_invalid` that an API answers. */
export function parseFilter(text: string): Filter {
  const reading = readFilter(text);
  if (reading.is === "refused") throw refusalProblem(reading.refusal);
  return reading.filter;
}

function refusalProblem({ at, found, expected, suggestion }: FilterRefusal): Problem {
  const message = `The filter cannot be read at character ${at + 1} ("${found}"): expected ${expected}.`;
  return queryProblems.filter_invalid(message, {
    field: "filter",
    fix: suggestion === undefined ? `Expected ${expected}.` : `Did you mean ${suggestion} ?`,
  });
}

function checkText(text: string): string {
  if (text.length > limits.characters)
    throw refuse({ at: limits.characters, found: "…", expected: `at most ${limits.characters} characters` });
  const unreadable = [...text.matchAll(/[\p{Cc}\p{Cs}]/gu)].find(([character]) => !/\s/.test(character));
  if (unreadable) throw refuse({ at: unreadable.index, found: "\\u", expected: "text without control characters" });
  return text;
}

type Cursor = { tokens: Token[]; next: number };

function parseTokens(tokens: Token[]): Filter {
  const cursor = { tokens, next: 0 };
  if (peek(cursor).is === "end") return { is: "all" };
  const filter = parseAlternatives(cursor, 0);
  const rest = peek(cursor);
  if (rest.is !== "end") throw refuse({ at: rest.at, found: show(rest), expected: "the end, or an opening parenthesis earlier" });
  return filter;
}

/** OR binds weaker than the space between terms. */
function parseAlternatives(cursor: Cursor, depth: number): Filter {
  const alternatives = [parseConjunction(cursor, depth)];
  while (peek(cursor).is === "or") {
    cursor.next++;
    alternatives.push(parseConjunction(cursor, depth));
  }
  const [only] = alternatives;
  return only !== undefined && alternatives.length === 1 ? only : { is: "or", of: alternatives };
}

function parseConjunction(cursor: Cursor, depth: number): Filter {
  const parts = [parseFactor(cursor, depth)];
  while (!["or", "close", "end"].includes(peek(cursor).is)) parts.push(parseFactor(cursor, depth));
  const [only] = parts;
  return only !== undefined && parts.length === 1 ? only : { is: "and", of: parts };
}

function parseFactor(cursor: Cursor, depth: number): Filter {
  const token = peek(cursor);
  if (depth > limits.depth)
    throw refuse({ at: token.at, found: show(token), expected: `at most ${limits.depth} levels of - and parentheses` });
  cursor.next++;
  switch (token.is) {
    case "not":
      return { is: "not", of: parseFactor(cursor, depth + 1) };
    case "open":
      return parseGroup(cursor, { depth, openedAt: token.at });
    case "word":
      return { is: "text", contains: token.text };
    case "term":
      return readTerm(token);
    case "or":
    case "close":
    case "end":
      throw refuse({
        at: token.at,
        found: show(token),
        expected: "a term such as tag:site=berlin, a word, or an opening parenthesis",
      });
  }
}

function parseGroup(cursor: Cursor, { depth, openedAt }: { depth: number; openedAt: number }): Filter {
  const filter = parseAlternatives(cursor, depth + 1);
  if (peek(cursor).is !== "close") throw refuse({ at: openedAt, found: "(", expected: "a closing parenthesis for this one" });
  cursor.next++;
  return filter;
}

const end: Token = { at: 0, is: "end" };
const peek = (cursor: Cursor): Token => cursor.tokens[cursor.next] ?? cursor.tokens.at(-1) ?? end;

function show(token: Token): string {
  const signs = { open: "(", close: ")", or: "OR", not: "-", end: "the end" };
  return token.is === "word" ? token.text : token.is === "term" ? `${token.name}:${token.value}` : signs[token.is];
}
