import { decimal, type Recording, type Row, readLines } from "./recording.ts";

/** The motes measured every 5 s; the file has no times, only the number of the reading. */
const intervalMs = 5_000;

/**
 * Labelled wireless sensor network data, single hop: reading number, mote, humidity, temperature, label, separated by tabs. A label of 1
 * marks a reading during an induced event.
 */
export const parseSinglehop = (text: string): Recording => readLines("singlehop", text, readReading);

function readReading(text: string, line: number): Row | { reason: string } {
  const fields = text.split("\t");
  if (fields.length !== 5) return { reason: `${fields.length} fields, not 5` };
  const [reading = "", mote = "", humidity = "", temperature = "", label = ""] = fields.map((field) => field.trim());
  if (!/^\d+$/.test(reading)) return { reason: `the reading number "${reading}" is no whole number` };
  if (!/^\d+$/.test(mote)) return { reason: `the mote "${mote}" is no whole number` };
  const values = [decimal(humidity), decimal(temperature), decimal(label)];
  const wrong = ["humidity", "temperature", "label"].find((_, i) => values[i] === undefined);
  if (wrong !== undefined) return { reason: `${wrong} is no number` };
  const [h = 0, t = 0, l = 0] = values;
  return {
    line,
    series: `mote-${mote}`,
    at: Number(reading) * intervalMs,
    values: [
      { metric: "humidity", value: h, unit: "%RH" },
      { metric: "temperature", value: t, unit: "Cel" },
      { metric: "label", value: l },
    ],
  };
}
