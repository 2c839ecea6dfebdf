/** Who is turned away, by servers before a byte is read and by clients before a byte is written. */

import { get } from "node:https";
import { connect, createServer as createTcpServer, type Server as TcpServer } from "node:net";
import { connect as connectTls, createServer } from "node:tls";
import * as undici from "undici";
import { describe, expect, onTestFinished, test } from "vitest";
import { encodePem } from "../../src/lib/pem.ts";
import {
  createHttpsAgent,
  createServiceIdentity,
  createTlsServer,
  createUndiciDispatcher,
  Http2Client,
  type IdentityStore,
  ServiceError,
  type ServiceErrorCode,
  type ServiceIdentity,
} from "../../src/service/index.ts";
import type { RevocationSource } from "../../src/spiffe/bundle-source.ts";
import type { SpiffeRule } from "../../src/spiffe/rule.ts";
import { SpiffeError } from "../../src/spiffe/spiffe-error.ts";
import type { X509Svid } from "../../src/spiffe/x509-svid.ts";
import { newKeys } from "../spiffe/certificate-builder.ts";
import { portOf } from "./listening.ts";
import { bundleOf, issueSvid, newAuthority, storeOf } from "./trust-domain.ts";

const root = newAuthority("a.test");
const other = newAuthority("b.test");
const stranger = newAuthority("a.test");
const ME = "spiffe://a.test/me";
const PEER = "spiffe://a.test/peer";
const revoked = issueSvid("spiffe://a.test/revoked", root);
const HOUR_MS = 3_600_000;

const selfSigned = (): X509Svid => {
  const keys = newKeys();
  return issueSvid(PEER, { name: "", keys, der: new Uint8Array() }, { keys });
};

interface BadPeer {
  readonly what: string;
  readonly svid: X509Svid | undefined;
  readonly code: ServiceErrorCode;
  readonly rule?: SpiffeRule;
}

const BAD_PEERS: readonly BadPeer[] = [
  { what: "no certificate", svid: undefined, code: "SERVICE_PEER_UNVERIFIED" },
  {
    what: "a trust domain that is not known",
    svid: issueSvid("spiffe://c.test/peer", newAuthority("c.test")),
    code: "SERVICE_PEER_UNVERIFIED",
    rule: "x509-trust-domain",
  },
  {
    what: "an identity that another trust domain's authority signed",
    svid: issueSvid(PEER, other),
    code: "SERVICE_PEER_UNVERIFIED",
    rule: "x509-issuer",
  },
  {
    what: "an authority that is not in the bundle",
    svid: issueSvid(PEER, stranger),
    code: "SERVICE_PEER_UNVERIFIED",
    rule: "x509-issuer",
  },
  {
    what: "a certificate that names a good authority and is signed by another key",
    svid: issueSvid(PEER, root, { issuerKeys: newKeys() }),
    code: "SERVICE_PEER_UNVERIFIED",
    rule: "x509-signature",
  },
  { what: "a self-signed certificate", svid: selfSigned(), code: "SERVICE_PEER_UNVERIFIED", rule: "x509-issuer" },
  {
    what: "an expired certificate",
    svid: issueSvid(PEER, root, { notBeforeMs: Date.now() - 2 * HOUR_MS, notAfterMs: Date.now() - HOUR_MS }),
    code: "SERVICE_PEER_UNVERIFIED",
    rule: "x509-validity",
  },
  {
    what: "a certificate that is not valid yet",
    svid: issueSvid(PEER, root, { notBeforeMs: Date.now() + HOUR_MS, notAfterMs: Date.now() + 2 * HOUR_MS }),
    code: "SERVICE_PEER_UNVERIFIED",
    rule: "x509-validity",
  },
  { what: "a revoked identity", svid: revoked, code: "SERVICE_PEER_REVOKED" },
  { what: "an identity that no rule names", svid: issueSvid("spiffe://a.test/peer/other", root), code: "SERVICE_PEER_REFUSED" },
  {
    what: "a good identity of a federated trust domain that no rule names",
    svid: issueSvid("spiffe://b.test/peer", other),
    code: "SERVICE_PEER_REFUSED",
  },
];

const revocations: RevocationSource = { isRevoked: ({ id }) => id === revoked.id, onChange: () => () => {} };

function identityWith(
  refusals: ServiceError[],
  source: IdentityStore = storeOf(issueSvid(ME, root), [root], bundleOf("b.test", [other])),
): ServiceIdentity {
  const identity = createServiceIdentity({ source, revocations, onRefusal: (error) => refusals.push(error) });
  onTestFinished(() => identity.close());
  return identity;
}

const credentialsOf = ({ certificates, privateKey }: X509Svid): { readonly key: string; readonly cert: string } => ({
  key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
  cert: certificates.map(({ der }) => encodePem({ label: "CERTIFICATE", der })).join(""),
});

const ruleOf = (error: ServiceError | undefined): SpiffeRule | undefined =>
  error?.cause instanceof SpiffeError ? error.cause.rule : undefined;

describe.each(BAD_PEERS)("a peer with $what", ({ svid, code, rule }) => {
  test("is cut by a server before a byte of it is read", async () => {
    const refusals: ServiceError[] = [];
    const read: string[] = [];
    const server = createTlsServer(identityWith(refusals), { allow: [PEER, revoked.id] }, (socket) => {
      read.push("a connection");
      socket.on("data", (data) => read.push(data.toString()));
    });
    const socket = connectTls({
      port: await portOf(server),
      host: "127.0.0.1",
      rejectUnauthorized: false,
      ...(svid && credentialsOf(svid)),
    });
    socket.on("error", () => {});
    socket.write("secret of the client");
    await new Promise<void>((resolve) => socket.once("close", () => resolve()));
    expect(read).toEqual([]);
    expect(refusals.map((error) => [error.code, ruleOf(error)])).toEqual([[code, rule]]);
  });
});

// A server of TLS cannot do without a certificate.
const BAD_SERVERS = BAD_PEERS.flatMap(({ svid, ...bad }) => (svid === undefined ? [] : [{ svid, ...bad }]));

describe.each(BAD_SERVERS)("a server with $what", ({ svid, code, rule }) => {
  test("is left by a client before a byte is written to it", async () => {
    const read: string[] = [];
    const server = createServer({ ...credentialsOf(svid), requestCert: true, rejectUnauthorized: false }, (socket) => {
      socket.on("error", () => {});
      socket.on("data", (data) => read.push(data.toString()));
    });
    const port = await portOf(server);
    const ended = new Promise<void>((resolve) => server.once("connection", (socket) => socket.once("close", () => resolve())));
    const isAllowed = ({ id }: { readonly id: string }): boolean => id === PEER || id === revoked.id;
    const error = await identityWith([])
      .connect({ host: "127.0.0.1", port }, isAllowed)
      .catch((thrown: unknown) => thrown);
    await ended;
    expect(error).toBeInstanceOf(ServiceError);
    expect(error instanceof ServiceError && [error.code, ruleOf(error)]).toEqual([code, rule]);
    expect(read).toEqual([]);
  });
});

describe("a server", () => {
  const visit = async (port: number, svid: X509Svid): Promise<string> => {
    const socket = connectTls({ port, host: "127.0.0.1", rejectUnauthorized: false, ...credentialsOf(svid) });
    let answer = "";
    socket.on("error", () => {});
    socket.on("data", (data) => {
      answer += data.toString();
    });
    await new Promise<void>((resolve) => socket.once("close", () => resolve()));
    return answer;
  };

  test("refuses when its rule throws or answers anything but true", async () => {
    const refusals: ServiceError[] = [];
    const rules = [
      () => {
        throw new Error("the policy is broken");
      },
      // What JavaScript may return where the types say boolean.
      () => "yes" as unknown as boolean,
      () => Promise.resolve(true) as unknown as boolean,
    ];
    for (const allow of rules) {
      const server = createTlsServer(identityWith(refusals), { allow }, (socket) => socket.end("welcome"));
      expect(await visit(await portOf(server), issueSvid(PEER, root))).toBe("");
    }
    expect(refusals.map(({ code }) => code)).toEqual(["SERVICE_PEER_REFUSED", "SERVICE_PEER_REFUSED", "SERVICE_PEER_REFUSED"]);
  });

  test("without an identity lets nobody in, and does as soon as it has one", async () => {
    const refusals: ServiceError[] = [];
    const source = storeOf(undefined, [root]);
    const server = createTlsServer(identityWith(refusals, source), { allow: [PEER] }, (socket) => socket.end("welcome"));
    const port = await portOf(server);
    const svid = issueSvid(PEER, root);
    expect(await visit(port, svid)).toBe("");
    source.set({ svid: issueSvid(ME, root, { notAfterMs: Date.now() - 1_000 }) });
    expect(await visit(port, svid)).toBe("");
    source.set({ svid: issueSvid(ME, root) });
    expect(await visit(port, svid)).toBe("welcome");
    expect(refusals.map(({ code }) => code)).toEqual(["SERVICE_NO_IDENTITY", "SERVICE_NO_IDENTITY"]);
  });

  test("reports a client that does not speak TLS, and goes on", async () => {
    const refusals: ServiceError[] = [];
    const server = createTlsServer(identityWith(refusals), { allow: [PEER] }, (socket) => socket.end("welcome"));
    const port = await portOf(server);
    const socket = connect(port, "127.0.0.1");
    socket.on("error", () => {});
    socket.write("GET / HTTP/1.1\r\n\r\n");
    await new Promise<void>((resolve) => socket.resume().once("close", () => resolve()));
    expect(await visit(port, issueSvid(PEER, root))).toBe("welcome");
    expect(refusals.map(({ code }) => code)).toEqual(["SERVICE_HANDSHAKE"]);
  });
});

describe("a client", () => {
  const silent = (): TcpServer => createTcpServer((socket) => socket.on("error", () => {}).resume());
  const codeOf = async (attempt: Promise<unknown>): Promise<unknown> => {
    const error: unknown = await attempt.then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    // Libraries wrap what a connector says.
    const inner = error instanceof Error && !(error instanceof ServiceError) && error.cause instanceof Error ? error.cause : error;
    return inner instanceof Error && "code" in inner ? inner.code : inner;
  };
  const isAllowed = (): boolean => true;

  test("gives up a server that does not answer its handshake", async () => {
    const port = await portOf(silent());
    expect(await codeOf(identityWith([]).connect({ host: "127.0.0.1", port, timeoutMs: 50 }, isAllowed))).toBe("SERVICE_HANDSHAKE");
  });

  test("says when nobody listens", async () => {
    const server = silent();
    const port = await portOf(server);
    await new Promise((resolve) => server.close(resolve));
    expect(await codeOf(identityWith([]).connect({ host: "127.0.0.1", port }, isAllowed))).toBe("SERVICE_HANDSHAKE");
  });

  test("without an identity connects to nobody", async () => {
    expect(await codeOf(identityWith([], storeOf(undefined, [root])).connect({ host: "127.0.0.1", port: 9 }, isAllowed))).toBe(
      "SERVICE_NO_IDENTITY",
    );
  });

  test("that is closed connects to nobody", async () => {
    const identity = identityWith([]);
    identity.close();
    expect(await codeOf(identity.connect({ host: "127.0.0.1", port: 9 }, isAllowed))).toBe("SERVICE_CLOSED");
  });

  test("sends nothing over plain http", async () => {
    const identity = identityWith([]);
    const port = await portOf(silent());
    const dispatcher = createUndiciDispatcher(identity, undici, { allow: [PEER] });
    onTestFinished(() => dispatcher.destroy());
    expect(await codeOf(undici.fetch(`http://127.0.0.1:${port}/`, { dispatcher }))).toBe("SERVICE_PLAIN_URL");
    expect(() => new Http2Client(identity, `http://127.0.0.1:${port}`, { allow: [PEER] })).toThrow(
      expect.objectContaining({ code: "SERVICE_PLAIN_URL" }),
    );
    const agent = createHttpsAgent(identity, { allow: [PEER] });
    expect(() => get(`http://127.0.0.1:${port}/`, { agent })).toThrow(expect.objectContaining({ code: "ERR_INVALID_PROTOCOL" }));
  });
});
