import { refuse } from "./errors.ts";

export type Token = { at: number } & (
  | { is: "open" | "close" | "or" | "not" | "end" }
  | { is: "word"; text: string }
  /** `name:value`; `valueAt` is where the value begins. */
  | { is: "term"; name: string; value: string; valueAt: number }
);

const space = /\s/;
const ends = /[\s()]/;
const connectives: Record<string, string> = {
  and: "a space (terms side by side must all hold)",
  not: "`-` before the term",
  or: "OR in capitals",
};

/** Cuts a filter into tokens, `end` last. A quoted text is never an operator. */
export function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  while (at < text.length) {
    const character = text.charAt(at);
    if (space.test(character)) at++;
    else if (character === "(" || character === ")") tokens.push({ at: at++, is: character === "(" ? "open" : "close" });
    else if (character === "-") tokens.push({ at: at++, is: "not" });
    else {
      const { token, next } = readWord(text, at);
      tokens.push(token);
      at = next;
    }
  }
  return [...tokens, { at: text.length, is: "end" }];
}

/** A word or a term: runs of bare and quoted text up to a space or parenthesis; the first bare colon ends the name. */
function readWord(text: string, start: number): { token: Token; next: number } {
  let [at, value, quoted] = [start, "", false];
  let name: { text: string; valueAt: number } | undefined;
  while (at < text.length && !ends.test(text.charAt(at))) {
    const character = text.charAt(at);
    if (character === '"') {
      const piece = readQuoted(text, at);
      [value, at, quoted] = [value + piece.text, piece.next, true];
    } else if (character === ":" && name === undefined && !quoted) {
      name = { text: value, valueAt: at + 1 };
      [value, at] = ["", at + 1];
    } else {
      value += character;
      at++;
    }
  }
  if (name !== undefined) return { token: { at: start, is: "term", name: name.text, value, valueAt: name.valueAt }, next: at };
  if (!quoted && value === "OR") return { token: { at: start, is: "or" }, next: at };
  if (!quoted) refuseConnective(value, start);
  if (value === "") throw refuse({ at: start, found: '""', expected: "a word between the quotes" });
  return { token: { at: start, is: "word", text: value }, next: at };
}

function readQuoted(text: string, start: number): { text: string; next: number } {
  let value = "";
  for (let at = start + 1; at < text.length; at++) {
    const character = text.charAt(at);
    if (character === '"') return { text: value, next: at + 1 };
    if (character === "\\" && at + 1 < text.length) at++;
    value += text.charAt(at);
  }
  throw refuse({
    at: start,
    found: text.slice(start, start + 20),
    expected: "a closing quote",
  });
}

/** `a or b` would silently mean three words that must all be in the id. */
function refuseConnective(word: string, at: number): void {
  const instead = Object.hasOwn(connectives, word.toLowerCase()) ? connectives[word.toLowerCase()] : undefined;
  if (instead === undefined) return;
  throw refuse({
    at,
    found: word,
    expected: `${instead}; or "${word}" in quotes for an id that contains it`,
    suggestion: word.toLowerCase() === "or" ? "OR" : undefined,
  });
}
