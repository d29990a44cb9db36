/** How deep lists and objects of a document from outside may be nested: far beyond what anybody means, far below what overflows a stack. */
export const deepestJson = 32;

const [quote, backslash] = [0x22, 0x5c];
const [openList, closeList, openObject, closeObject] = [0x5b, 0x5d, 0x7b, 0x7d];

/**
 * Whether a JSON text nests deeper than `most`: asked before it is parsed, because what walks through a parsed document (a schema, a printer, a merge)
 * does so by recursion. One look at each byte; text that is not JSON gets some answer.
 */
export function isNestedDeeper(text: Uint8Array, most = deepestJson): boolean {
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const byte = text[at];
    if (byte === quote) at = endOfText(text, at);
    else if (byte === openList || byte === openObject) depth += 1;
    else if (byte === closeList || byte === closeObject) depth -= 1;
    if (depth > most) return true;
  }
  return false;
}

/** Where the quote stands that ends the text beginning at `start`. */
function endOfText(text: Uint8Array, start: number): number {
  let at = start + 1;
  while (at < text.length && text[at] !== quote) at += text[at] === backslash ? 2 : 1;
  return at;
}
