/** A V8 CPU profile, as `--cpu-prof` writes it. Times are microseconds. */
export type CpuProfile = {
  nodes: { id: number; callFrame: { functionName: string; url: string; lineNumber: number }; children?: number[] }[];
  startTime: number;
  samples: number[];
  timeDeltas: number[];
};

type Share = { share: number };
export type Summary = { parts: (Share & { part: string })[]; functions: (Share & { name: string })[] };

/** Which part of the path a place in the code belongs to; the first that fits. */
const partOf: readonly (readonly [part: string, place: RegExp])[] = [
  ["garbage collection", /^\(garbage collector\)/],
  ["native: TLS, sockets, files", /^\(program\)/],
  [
    "MQTT: frames, gate, topics",
    /links\/mqtt\/(frames|gate|fields|properties|topic-syntax|judge-publish)|links\/topics|contracts\/src\/device\/topics/,
  ],
  ["MQTT: connection, acknowledgements", /links\//],
  ["payload: read and judged", /telemetry\/(decode|flat|senml|cbor|point|event-time|sparkplug|protobuf|errors)|JSON|TextDecoder/],
  ["intake", /telemetry\/(intake|sequence|frame|message)/],
  ["journal", /kernel\/journal|zlib/],
  ["points to columns", /telemetry\/(store|pieces|telemetry\.shell|points)|store\/column/],
  ["hand to the store process", /kernel\/store|internal\/child_process|v8\.js|node:v8|serdes/],
  ["budget, lag, newest values, cells", /telemetry\//],
  ["metrics", /@prometheus-io/],
  ["PostgreSQL client", /node_modules\/(pg|kysely)/],
  ["Node: TLS, streams, buffers", /node:|internal\//],
];

/** What share of the busy time within `span` (microseconds of CLOCK_MONOTONIC) each part and each function took for itself. */
export function sumUp({ nodes, startTime, samples, timeDeltas }: CpuProfile, span: { from: number; to: number }): Summary {
  const places = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]));
  const [parts, functions] = [new Map<string, number>(), new Map<string, number>()];
  let [at, busy] = [startTime, 0];
  for (const [i, id] of samples.entries()) {
    const delta = timeDeltas[i] ?? 0;
    at += delta;
    const place = places.get(id);
    if (at < span.from || at > span.to || place === undefined || place.functionName === "(idle)") continue;
    busy += delta;
    add(parts, partNamed(place), delta);
    add(
      functions,
      `${place.functionName || "(anonymous)"} ${place.url.split("/").slice(-3).join("/")}:${place.lineNumber + 1}`,
      delta,
    );
  }
  const shares = (sums: Map<string, number>) =>
    [...sums].sort(([, a], [, b]) => b - a).map(([name, time]) => ({ name, share: time / busy }));
  return { parts: shares(parts).map(({ name, share }) => ({ part: name, share })), functions: shares(functions) };
}

function partNamed({ functionName, url }: CpuProfile["nodes"][number]["callFrame"]): string {
  const place = functionName.startsWith("(") ? functionName : `${url} ${functionName}`;
  return partOf.find(([, fits]) => fits.test(place))?.[0] ?? "other";
}

const add = (sums: Map<string, number>, name: string, time: number) => void sums.set(name, (sums.get(name) ?? 0) + time);
