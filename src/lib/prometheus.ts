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
  readonly #series: SeriesTree<{ count: number }>;

  constructor(name: MetricName, labelNames: L) {
    this.#name = name;
    this.#series = new SeriesTree(labelNames, () => ({ count: 0 }));
  }

  /** Adds one to the series of these label values, in the order of the names. */
  increment(...labelValues: { readonly [K in keyof L]: string }): void {
    this.#series.at(labelValues).count++;
  }

  expose(): string {
    const { name } = this.#name;
    return family(
      this.#name,
      "counter",
      this.#series.map((labels, { count }) => `${name}${labels()} ${count}\n`),
    );
  }
}

/** How often values fell below each bound, by label values. */
export class Histogram<L extends readonly string[]> implements Metric {
  readonly #name: MetricName;
  readonly #bounds: readonly number[];
  readonly #series: SeriesTree<{ readonly buckets: Float64Array; sum: number }>;

  /** `bounds` are the upper bounds of the buckets, ascending, without infinity. */
  constructor(name: MetricName, labelNames: L, bounds: readonly number[]) {
    this.#name = name;
    this.#bounds = bounds;
    this.#series = new SeriesTree(labelNames, () => ({ buckets: new Float64Array(bounds.length + 1), sum: 0 }));
  }

  observe(value: number, ...labelValues: { readonly [K in keyof L]: string }): void {
    const series = this.#series.at(labelValues);
    let bucket = 0;
    while (bucket < this.#bounds.length && value > (this.#bounds[bucket] ?? 0)) bucket++;
    series.buckets[bucket] = (series.buckets[bucket] ?? 0) + 1;
    series.sum += value;
  }

  expose(): string {
    const { name } = this.#name;
    const lines = this.#series.map((labels, { buckets, sum }) => {
      let count = 0;
      const counted = [...this.#bounds, "+Inf"].map((bound, index) => {
        count += buckets[index] ?? 0;
        return `${name}_bucket${labels({ le: String(bound) })} ${count}\n`;
      });
      return `${counted.join("")}${name}_sum${labels()} ${sum}\n${name}_count${labels()} ${count}\n`;
    });
    return family(this.#name, "histogram", lines);
  }
}

/** Series by their label values, one level per label: a look-up makes no text. */
class SeriesTree<T> {
  readonly #labelNames: readonly string[];
  readonly #create: () => T;
  readonly #root: SeriesNode<T> = { children: new Map(), series: undefined };
  readonly #all: { readonly labelValues: readonly string[]; readonly series: T }[] = [];

  constructor(labelNames: readonly string[], create: () => T) {
    this.#labelNames = labelNames;
    this.#create = create;
  }

  at(labelValues: readonly string[]): T {
    let node = this.#root;
    for (const value of labelValues) {
      let child = node.children.get(value);
      if (child === undefined) {
        child = { children: new Map(), series: undefined };
        node.children.set(value, child);
      }
      node = child;
    }
    if (node.series === undefined) {
      node.series = this.#create();
      this.#all.push({ labelValues, series: node.series });
    }
    return node.series;
  }

  /** Every series in the order of its first use; `labels` writes its labels and more. */
  map<R>(write: (labels: (more?: Sample["labels"]) => string, series: T) => R): readonly R[] {
    return this.#all.map(({ labelValues, series }) => {
      const own = this.#labelNames.map((name, index) => [name, labelValues[index] ?? ""] as const);
      return write((more = {}) => labelsText([...own, ...Object.entries(more)]), series);
    });
  }
}

interface SeriesNode<T> {
  readonly children: Map<string, SeriesNode<T>>;
  series: T | undefined;
}

/** A value that is read when it is exposed; without samples the family is left out. */
export function gauge(name: MetricName, read: () => readonly Sample[]): Metric {
  const line = ({ labels = {}, value }: Sample): string => `${name.name}${labelsText(Object.entries(labels))} ${value}\n`;
  return { expose: () => family(name, "gauge", read().map(line)) };
}

/** All families as one text. */
export const exposeMetrics = (metrics: readonly Metric[]): string => metrics.map((metric) => metric.expose()).join("");

function family({ name, help }: MetricName, type: string, lines: readonly string[]): string {
  if (lines.length === 0) return "";
  const escapedHelp = help.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
  return `# HELP ${name} ${escapedHelp}\n# TYPE ${name} ${type}\n${lines.join("")}`;
}

const labelsText = (labels: readonly (readonly [string, string])[]): string =>
  labels.length === 0 ? "" : `{${labels.map(([name, value]) => `${name}="${escapeLabel(value)}"`).join(",")}}`;

const escapeLabel = (value: string): string => (/[\\"\n]/.test(value) ? value.replaceAll(/[\\"]/g, "\\$&").replaceAll("\n", "\\n") : value);
