import { expect, test } from "vitest";
import { Counter, exposeMetrics, gauge, Histogram } from "./prometheus.ts";

test("families are exposed in the text format, with escaped labels", () => {
  const reviews = new Counter({ name: "reviews_total", help: "reviews\nby verdict" }, ["verdict", "kind"]);
  reviews.increment("deny", 'a"b\\c\nd');
  reviews.increment("allow", "x");
  reviews.increment("allow", "x");
  const latency = new Histogram({ name: "latency_seconds", help: "time" }, ["phase"], [0.001, 0.01]);
  for (const seconds of [0.001, 0.002, 0.5]) latency.observe(seconds, "validate");
  const open = gauge({ name: "open", help: "whether" }, () => [{ value: 1 }, { labels: { id: "7" }, value: 0.5 }]);
  expect(exposeMetrics([reviews, latency, open])).toBe(
    [
      "# HELP reviews_total reviews\\nby verdict",
      "# TYPE reviews_total counter",
      'reviews_total{verdict="deny",kind="a\\"b\\\\c\\nd"} 1',
      'reviews_total{verdict="allow",kind="x"} 2',
      "# HELP latency_seconds time",
      "# TYPE latency_seconds histogram",
      'latency_seconds_bucket{phase="validate",le="0.001"} 1',
      'latency_seconds_bucket{phase="validate",le="0.01"} 2',
      'latency_seconds_bucket{phase="validate",le="+Inf"} 3',
      'latency_seconds_sum{phase="validate"} 0.503',
      'latency_seconds_count{phase="validate"} 3',
      "# HELP open whether",
      "# TYPE open gauge",
      "open 1",
      'open{id="7"} 0.5',
      "",
    ].join("\n"),
  );
});

test("a family without series is left out", () => {
  expect(exposeMetrics([new Counter({ name: "none_total", help: "" }, []), gauge({ name: "none", help: "" }, () => [])])).toBe("");
});
