import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "@prometheus-io/client";

/** Prometheus metrics, all `tenfold_…`, base units, never a device id as a label. */
export type Metrics = {
  counter(name: string, help: string, labels?: string[]): Counter<string>;
  gauge(name: string, help: string, labels?: string[]): Gauge<string>;
  /** A gauge that is read when somebody asks for the metrics. */
  reading(name: string, help: string, read: () => number): void;
  histogram(name: string, help: string, options: { labels?: string[]; buckets: number[] }): Histogram<string>;
  /** The text of `/metrics`. */
  render(): Promise<string>;
  readonly contentType: string;
};

/** A registry of its own for each platform, so that tests can run several in one process. */
export function createMetrics({ processMetrics }: { processMetrics: "collect" | "omit" }): Metrics {
  const registry = new Registry();
  if (processMetrics === "collect") collectDefaultMetrics({ register: registry, prefix: "tenfold_" });
  return {
    counter: (name, help, labels = []) => new Counter({ name, help, labelNames: labels, registers: [registry] }),
    gauge: (name, help, labels = []) => new Gauge({ name, help, labelNames: labels, registers: [registry] }),
    reading(name, help, read) {
      new Gauge({
        name,
        help,
        registers: [registry],
        collect() {
          this.set(read());
        },
      });
    },
    histogram: (name, help, { labels = [], buckets }) =>
      new Histogram({ name, help, labelNames: labels, buckets, registers: [registry] }),
    render: () => registry.metrics(),
    contentType: registry.contentType,
  };
}
