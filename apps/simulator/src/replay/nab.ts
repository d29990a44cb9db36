import { decimal, type Recording, type Row, readLines } from "./recording.ts";

/** A series of the Numenta Anomaly Benchmark: `timestamp,value`, times in UTC. The series' name is the file's. */
export const parseNab = (text: string, name: string): Recording =>
  readLines("nab", text, (line, number) => readRow(line, { number, name }));

function readRow(text: string, { number, name }: { number: number; name: string }): Row | { reason: string } {
  const [time = "", value = "", ...more] = text.split(",");
  if (more.length > 0) return { reason: `${more.length + 2} fields, not 2` };
  const match = /^(\d{4}-\d{2}-\d{2}) (\d{2}:\d{2}:\d{2}(?:\.\d+)?)$/.exec(time.trim());
  const at = match === null ? Number.NaN : Date.parse(`${match[1]}T${match[2]}Z`);
  if (Number.isNaN(at)) return { reason: `"${time}" is no time` };
  const measured = decimal(value.trim());
  return measured === undefined
    ? { reason: `"${value}" is no number` }
    : { line: number, series: name, at, values: [{ metric: "value", value: measured }] };
}
