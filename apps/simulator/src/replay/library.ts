import type { Sample } from "@tenfold/device";
import { commaDecimal, type Recording, type Row, readLines } from "./recording.ts";

/**
 * Time, node, sequence number, and six measures. Above 999 the sequence number has a separator of thousands: a space by its readme, a
 * no-break space in the files; counted from the right there is no doubt which fields are the measures.
 */
const line = /^(\d{10,13}) (\d+) (\d{1,3}(?:[ \u00a0]\d{3})*|\d+) (\S+) (\S+) (\S+) (\S+) (\S+) (\S+)$/;

const measures = [
  { metric: "internal_temperature", unit: "Cel" },
  { metric: "internal_voltage", unit: "V" },
  { metric: "humidity", unit: "%RH" },
  { metric: "temperature", unit: "Cel" },
  { metric: "par" },
  { metric: "tsr" },
] as const;

/** The sensor data of a university library (TelosB motes), decimal commas. The text is ISO 8859-1. */
export const parseLibrary = (text: string): Recording => readLines("library", text, readPacket);

function readPacket(text: string, number: number): Row | { reason: string } {
  const match = line.exec(text.trimEnd());
  if (match === null) return { reason: "not the nine fields of a sensing packet" };
  const [, at, node, sequence = "", ...fields] = match;
  const values: Sample[] = [{ metric: "sequence", value: Number(sequence.replace(/[ \u00a0]/g, "")) }];
  for (const [i, measure] of measures.entries()) {
    const value = commaDecimal(fields[i] ?? "");
    if (value === undefined) return { reason: `${measure.metric} "${fields[i]}" is no number with a decimal comma` };
    values.push({ ...measure, value });
  }
  return { line: number, series: `node-${node}`, at: Number(at), values };
}
