/** Metrics and health of a process over HTTP, for Prometheus and for whoever restarts what does not answer. Off unless an address is given. */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { METRICS_CONTENT_TYPE } from "../lib/prometheus.ts";
import { parseListenAddress } from "./listen-address.ts";

export interface Observed {
  metrics(): string;
  /** Why the process is not ready; undefined when it is. */
  problem(): string | undefined;
}

export interface TelemetryServer {
  readonly url: string;
  close(): void;
}

const HEADERS_TIMEOUT_MS = 5_000;
const MAX_CONNECTIONS = 64;

export async function serveTelemetry(address: string | undefined, observed: Observed): Promise<TelemetryServer | undefined> {
  if (address === undefined) return undefined;
  const server = createServer({ headersTimeout: HEADERS_TIMEOUT_MS, requestTimeout: HEADERS_TIMEOUT_MS }, (request, response) => {
    request.resume();
    const send = (status: number, type: string, body: string): void => void response.writeHead(status, { "content-type": type }).end(body);
    if (request.method !== "GET") return send(405, "text/plain", "only GET\n");
    switch (request.url) {
      case "/metrics":
        return send(200, METRICS_CONTENT_TYPE, observed.metrics());
      case "/livez":
        return send(200, "text/plain", "ok\n");
      case "/readyz": {
        const problem = observed.problem();
        return problem === undefined ? send(200, "text/plain", "ok\n") : send(503, "text/plain", `${problem}\n`);
      }
      default:
        return send(404, "text/plain", "there are /metrics, /livez and /readyz\n");
    }
  });
  server.maxConnections = MAX_CONNECTIONS;
  const { host, port } = parseListenAddress(address);
  server.listen(port, host);
  await once(server, "listening");
  // A server that listens on a port has an address of this kind.
  const bound = server.address() as AddressInfo;
  const close = (): void => {
    server.close();
    server.closeAllConnections();
  };
  return { url: `http://${bound.family === "IPv6" ? `[${bound.address}]` : bound.address}:${bound.port}`, close };
}
