import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, test } from "vitest";
import { resolveSettings, type Settings } from "./settings.ts";
import { TraceExport, traceUrl } from "./trace-export.ts";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

interface Collector {
  readonly url: URL;
  readonly bodies: { readonly resourceSpans: readonly { readonly scopeSpans: readonly { readonly spans: readonly Wire[] }[] }[] }[];
}

interface Wire {
  readonly name: string;
  readonly traceId: string;
  readonly parentSpanId?: string;
  readonly attributes: readonly { readonly key: string; readonly value: object }[];
}

async function collector(answer: () => number = () => 200): Promise<Collector> {
  const bodies: Collector["bodies"] = [];
  const server = createServer(async (request: IncomingMessage, response) => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part);
    const status = answer();
    if (status === 200) bodies.push(JSON.parse(Buffer.concat(parts).toString()));
    response.writeHead(status).end("{}");
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  cleanups.push(() => {
    server.close();
    server.closeAllConnections();
  });
  // A server that listens on a port has an address of this kind.
  return { url: new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/traces`), bodies };
}

const exportTo = (url: URL, lines: string[] = []): TraceExport =>
  new TraceExport({ url, service: "vigil-test", version: "0", log: (_level, message) => void lines.push(message) });

test("finished spans reach the collector, with their trace, their parent and their attributes", async () => {
  const { url, bodies } = await collector();
  const traces = exportTo(url);
  const whole = traces.tracer.start("renew x509", { kind: "client" });
  traces.tracer
    .start("identity x509", { parent: whole.context, attributes: { "spiffe.id": "spiffe://a.test/web" } })
    .end({ error: "denied" });
  whole.end();
  traces.tracer.start("not kept", { parent: { ...whole.context, isSampled: false } }).end();
  await traces.close(5_000);
  expect(traces.metric.expose()).toContain('vigil_trace_spans_total{outcome="sent"} 2');
  const spans = bodies.flatMap(({ resourceSpans }) =>
    resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap((scope) => scope.spans)),
  );
  expect(spans).toMatchObject([
    {
      name: "identity x509",
      traceId: whole.context.traceId,
      parentSpanId: whole.context.spanId,
      kind: 1,
      attributes: [{ key: "spiffe.id", value: { stringValue: "spiffe://a.test/web" } }],
      status: { code: 2, message: "denied" },
    },
    { name: "renew x509", traceId: whole.context.traceId, kind: 3, status: {} },
  ]);
});

test("what a collector refuses, and what does not fit into the queue, is dropped and counted", async () => {
  const lines: string[] = [];
  const { url } = await collector(() => 400);
  const traces = exportTo(url, lines);
  for (let count = 0; count < 4_100; count++) traces.tracer.start("one").end();
  expect(traces.metric.expose()).toContain('{outcome="dropped"} 4\n');
  await traces.close(10_000);
  expect(traces.metric.expose()).toContain('{outcome="dropped"} 4100\n');
  expect(lines).toHaveLength(1);
});

test("a collector that is away costs nothing but the spans", async () => {
  const lines: string[] = [];
  const traces = exportTo(new URL("http://127.0.0.1:1/v1/traces"), lines);
  traces.tracer.start("one").end();
  await traces.close(1_000);
  expect(traces.metric.expose()).toContain('{outcome="dropped"} 1\n');
  expect(lines[0]).toContain("http://127.0.0.1:1");
});

function settings(environment: { readonly [name: string]: string } = {}): Settings {
  const resolved = resolveSettings({ flags: {}, environment, file: undefined });
  if (!resolved.ok) throw new Error("settings");
  return resolved.value.values;
}

test.each<[string, string | undefined, { [name: string]: string }]>([
  ["nothing", undefined, {}],
  ["the setting", "http://a:4318/v1/traces", { VIGIL_TELEMETRY_OTLP_ENDPOINT: "http://a:4318/", OTEL_EXPORTER_OTLP_ENDPOINT: "http://b" }],
  ["the variable of OpenTelemetry", "http://b/v1/traces", { OTEL_EXPORTER_OTLP_ENDPOINT: "http://b" }],
  ["the variable for traces", "http://c/x", { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "http://c/x", OTEL_EXPORTER_OTLP_ENDPOINT: "http://b" }],
])("spans go where %s says", (_, expected, environment) => {
  expect(traceUrl(settings(environment), environment)?.href).toBe(expected);
});

test("an endpoint that is no URL of HTTP is refused", () => {
  expect(() => traceUrl(settings({ VIGIL_TELEMETRY_OTLP_ENDPOINT: "grpc://a:4317" }), {})).toThrow(
    expect.objectContaining({ code: "CONFIG_VALUE" }),
  );
});
