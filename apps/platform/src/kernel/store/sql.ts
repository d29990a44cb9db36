/** A value for a `{name:Type}` placeholder: String, Int64 (whole number or bigint), Float64, DateTime64(3) (milliseconds), Array(String). */
export type Parameters = Readonly<Record<string, string | number | bigint | readonly string[]>>;

/**
 * Puts values into a statement as literals. The engine's own binding is not used: chdb serialises it over the whole process. Throws
 * when a placeholder has no value, a value no placeholder, or a value does not fit its type.
 */
export function fillIn(sql: string, parameters: Parameters = {}): string {
  const used = new Set<string>();
  const text = sql.replaceAll(/\{([A-Za-z_][A-Za-z0-9_]*):([A-Za-z0-9()]+)\}/g, (_, name: string, type: string) => {
    const value = Object.hasOwn(parameters, name) ? parameters[name] : undefined;
    if (value === undefined) throw new Error(`The statement asks for "${name}", and no value was given.`);
    used.add(name);
    return literal(name, type, value);
  });
  for (const name of Object.keys(parameters))
    if (!used.has(name)) throw new Error(`A value was given for "${name}", which the statement does not use.`);
  return text;
}

function literal(name: string, type: string, value: Parameters[string]): string {
  switch (type) {
    case "String":
      if (typeof value === "string") return quoted(value);
      break;
    case "Int64":
      if (typeof value === "bigint" || Number.isSafeInteger(value)) return `toInt64(${value})`;
      break;
    case "Float64":
      if (typeof value === "number" && Number.isFinite(value)) return `toFloat64(${value})`;
      break;
    case "DateTime64(3)":
      if (Number.isSafeInteger(value)) return `fromUnixTimestamp64Milli(toInt64(${value}), 'UTC')`;
      break;
    case "Array(String)":
      // An empty list has no type of its own.
      if (Array.isArray(value)) return `CAST([${value.map((item: unknown) => quoted(String(item))).join(",")}], 'Array(String)')`;
      break;
    default:
      throw new Error(`Placeholder "${name}" has the type ${type}, which is not one of those we write.`);
  }
  throw new Error(`The value for "${name}" is not a ${type}.`);
}

const escapes: Readonly<Record<string, string>> = {
  "\0": "\\0",
  "\b": "\\b",
  "\t": "\\t",
  "\n": "\\n",
  "\f": "\\f",
  "\r": "\\r",
  "'": "\\'",
  "\\": "\\\\",
};

/** A text as a ClickHouse string literal. No raw line end or NUL is left, because chdb gives both a meaning of their own. */
export function quoted(text: string): string {
  return `'${text.toWellFormed().replaceAll(/[\0\b\t\n\f\r'\\]/g, (mark) => escapes[mark] ?? mark)}'`;
}

/**
 * Throws when a text holds more than one statement. After a failing pair, chdb 3.4.0 hands the first one's rows to whoever asks next
 * on that session, so pairs are never sent.
 */
export function assertOneStatement(sql: string): string {
  const bare = sql.trim().replace(/;$/, "").trimEnd();
  const outside = bare.replaceAll(/'(?:\\[\s\S]|''|[^'\\])*'|`[^`]*`|"(?:\\[\s\S]|[^"\\])*"|--[^\n]*|\/\*[\s\S]*?\*\//g, " ");
  if (outside.includes(";")) throw new Error("Only one statement at a time may be sent to the store.");
  return bare;
}
