/** Metrics in Prometheus' text exposition format 0.0.4. Label values come from closed sets: every combination is kept for good. */

export const METRICS_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** Something that can be exposed: its family in text, each line ended. */
export interface Metric {
  expose(): string;
}

export interface MetricName {
  /** With the unit and `_total` as Prometheus asks: `vigil_admission_reviews_total`. */
  readonly name: string;
  readonly help: string;
}

/** One value of a gauge that is read when it is exposed. */
export interface Sample {
  readonly labels?: { readonly [name: string]: string };
  readonly value: number;
}

/** A number that only grows, by label values. */
export class Counter<L extends readonly string[]> implements Metric {
  readonly #name: MetricName;
  readonly #labelNames: L;
  readonly #counts = new Map<string, number>();

  constructor(name: MetricName, labelNames: L) {
    this.#name = name;
    this.#labelNames = labelNames;
  }

  /** Adds one to the series of these label values, in the order of the names. */
  increment(...labelValues: { readonly [K in keyof L]: string }): void {
    const series = labelsText(this.#labelNames, labelValues);
    this.#counts.set(series, (this.#counts.get(series) ?? 0) + 1);
  }

  expose(): string {
    const { name } = this.#name;
    return family(
      this.#name,
      "counter",
      [...this.#counts].map(([series, count]) => `${name}${series} ${count}\n`),
    );
  }
}

/** How often values fell below each bound, by label values. */
export class Histogram<L extends readonly string[]> implements Metric {
  readonly #name: MetricName;
  readonly #labelNames: L;
  readonly #bounds: readonly number[];
  readonly #series = new Map<string, { readonly labels: readonly string[]; readonly buckets: Float64Array; sum: number }>();

  /** `bounds` are the upper bounds of the buckets, ascending, without infinity. */
  constructor(name: MetricName, labelNames: L, bounds: readonly number[]) {
    this.#name = name;
    this.#labelNames = labelNames;
    this.#bounds = bounds;
  }

  observe(value: number, ...labelValues: { readonly [K in keyof L]: string }): void {
    const key = labelValues.join("\u0000");
    let series = this.#series.get(key);
    if (series === undefined) {
      series = { labels: labelValues, buckets: new Float64Array(this.#bounds.length + 1), sum: 0 };
      this.#series.set(key, series);
    }
    let bucket = 0;
    while (bucket < this.#bounds.length && value > (this.#bounds[bucket] ?? 0)) bucket++;
    series.buckets[bucket] = (series.buckets[bucket] ?? 0) + 1;
    series.sum += value;
  }

  expose(): string {
    const { name } = this.#name;
    const lines = [...this.#series.values()].map(({ labels, buckets, sum }) => {
      let count = 0;
      const counted = [...this.#bounds, "+Inf"].map((bound, index) => {
        count += buckets[index] ?? 0;
        return `${name}_bucket${labelsText([...this.#labelNames, "le"], [...labels, String(bound)])} ${count}\n`;
      });
      const series = labelsText(this.#labelNames, labels);
      return `${counted.join("")}${name}_sum${series} ${sum}\n${name}_count${series} ${count}\n`;
    });
    return family(this.#name, "histogram", lines);
  }
}

/** A value that is read when it is exposed; without samples the family is left out. */
export function gauge(name: MetricName, read: () => readonly Sample[]): Metric {
  const line = ({ labels = {}, value }: Sample): string =>
    `${name.name}${labelsText(Object.keys(labels), Object.values(labels))} ${value}\n`;
  return { expose: () => family(name, "gauge", read().map(line)) };
}

/** All families as one text. */
export const exposeMetrics = (metrics: readonly Metric[]): string => metrics.map((metric) => metric.expose()).join("");

function family({ name, help }: MetricName, type: string, lines: readonly string[]): string {
  if (lines.length === 0) return "";
  const escapedHelp = help.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
  return `# HELP ${name} ${escapedHelp}\n# TYPE ${name} ${type}\n${lines.join("")}`;
}

function labelsText(names: readonly string[], values: readonly string[]): string {
  if (names.length === 0) return "";
  return `{${names.map((name, index) => `${name}="${escapeLabel(values[index] ?? "")}"`).join(",")}}`;
}

const escapeLabel = (value: string): string => (/[\\"\n]/.test(value) ? value.replaceAll(/[\\"]/g, "\\$&").replaceAll("\n", "\\n") : value);
