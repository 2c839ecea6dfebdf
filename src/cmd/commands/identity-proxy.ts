import { type Command, defineCommand } from "../command.ts";

export const identityProxyCommand: Command = defineCommand({
  path: "identity proxy",
  summary: "put mutual TLS in front of a program that knows none, or behind it",
  description:
    "Outside there is mutual TLS with the SVID of this workload; the service at --to gets plain connections of the allowed peers alone.\n" +
    "With --http it also gets `x-spiffe-id` and `x-forwarded-client-cert`, and no copies of these that a peer sends.\n" +
    "With --connect it is the other way round: plain connections to --listen go on to --to with mutual TLS, if that is an allowed peer.",
  operands: [],
  flags: {
    listen: { kind: "text", short: "l", value: "HOST:PORT", summary: "where to accept connections; port 0 takes a free one" },
    to: { kind: "text", value: "HOST:PORT", summary: "where they go" },
    allow: {
      kind: "list",
      value: "PATTERN",
      summary: "the SPIFFE IDs of peers, `*` for one segment, `/**` at the end for all below; nobody else (at least one)",
    },
    http: { kind: "boolean", summary: "forward requests of HTTP/1.1 and HTTP/2 and say who asks, instead of bytes" },
    connect: { kind: "boolean", summary: "accept plain connections of this machine and connect with mutual TLS" },
    identity: {
      kind: "text",
      value: "DIR",
      completes: "directory",
      summary: "take the identity from files, as `vigil identity watch` writes them, instead of the Workload API",
    },
    socket: { kind: "text", value: "ADDRESS", summary: "address of the Workload API (SPIFFE_ENDPOINT_SOCKET)" },
    "max-connections": {
      kind: "integer",
      value: "N",
      min: 1,
      max: 1_000_000,
      default: 4096,
      summary: "connections at once; more are refused",
    },
    idle: { kind: "duration", value: "TIME", default: 300_000, summary: "a connection on which nothing moves for so long is cut" },
    drain: { kind: "duration", value: "TIME", default: 10_000, summary: "how long connections may live on when the proxy stops" },
    "tls-1.2": { kind: "boolean", summary: "also accept TLS 1.2" },
  },
  examples: [
    {
      line: "vigil identity proxy --listen 0.0.0.0:8443 --to 127.0.0.1:8080 --http --allow 'spiffe://shop.test/ns/*/sa/web'",
      says: "the service on port 8080 is called by web alone, and knows it",
    },
    {
      line: "vigil identity proxy --connect --listen 127.0.0.1:5432 --to db.shop:5432 --allow spiffe://shop.test/db",
      says: "a program that speaks plain TCP reaches the database with mutual TLS",
    },
  ],
  run: async (invocation) => (await import("../identity/proxy.ts")).runProxy(invocation, invocation.flags),
});
