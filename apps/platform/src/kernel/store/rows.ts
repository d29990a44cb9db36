/** Reads JSONEachRow: one JSON object a line. The caller names the row's type, as it wrote the statement. */
export function rowsOf<Row>(text: string): Row[] {
  if (text.trim() === "") return [];
  // The engine writes a comma-free object a line, so the whole is one JSON array with the line ends as commas.
  return JSON.parse(`[${text.trimEnd().replaceAll("\n", ",")}]`) as Row[];
}
