/** What `node:tls` lets pass when it is used as its documentation shows, beside what the servers of this module do. */
import { setTimeout as pause } from "node:timers/promises";
import {
  connect,
  createSecureContext,
  createServer,
  type SecureContextOptions,
  type Server,
  type TLSSocket,
  type TlsOptions,
} from "node:tls";
import { describe, expect, onTestFinished, test } from "vitest";
import { encodePem } from "../../src/lib/pem.ts";
import { createServiceIdentity, createTlsServer } from "../../src/service/index.ts";
import { verifyX509Svid, type X509Svid } from "../../src/spiffe/x509-svid.ts";
import type { Authority } from "../spiffe/certificate-builder.ts";
import { portOf } from "./listening.ts";
import { bundleOf, bundlesOf, issueSvid, newAuthority, storeOf } from "./trust-domain.ts";

const pemOf = ({ der }: Pick<Authority, "der">): string => encodePem({ label: "CERTIFICATE", der });
const credentialsOf = ({ certificates, privateKey }: X509Svid): SecureContextOptions => ({
  key: privateKey.export({ type: "pkcs8", format: "pem" }),
  cert: certificates.map(pemOf).join(""),
});

const root = newAuthority("a.test");
const serverSvid = issueSvid("spiffe://a.test/server", root);
const clientId = "spiffe://a.test/client";

const welcome = (socket: TLSSocket): void => {
  socket.on("error", () => {});
  socket.end("welcome");
};

/** As the documentation of `node:tls` has it: authorities in `ca`, and Node refuses whom they did not sign. */
function naiveServer(options: TlsOptions): Server {
  return createServer(
    { ...credentialsOf(serverSvid), ca: [pemOf(root)], requestCert: true, rejectUnauthorized: true, ...options },
    welcome,
  );
}

function ourServer(options: Partial<Parameters<typeof createServiceIdentity>[0]> = {}): Server {
  const identity = createServiceIdentity({ source: storeOf(serverSvid, [root]), minVersion: "TLSv1.2", ...options });
  onTestFinished(() => identity.close());
  return createTlsServer(identity, { allow: [clientId] }, welcome);
}

interface Visit {
  readonly isWelcome: boolean;
  /** Of TLS: it lets a later connection skip the certificates. */
  readonly session: Buffer | undefined;
}

/** Connects with these credentials and reads to the end. */
async function visit(
  port: number,
  svid: X509Svid,
  options: { readonly session?: Buffer | undefined; readonly maxVersion?: "TLSv1.2"; readonly servername?: string } = {},
): Promise<Visit> {
  const { session: resumed, maxVersion = "TLSv1.3", servername = "" } = options;
  const socket = connect({
    host: "127.0.0.1",
    port,
    ...credentialsOf(svid),
    rejectUnauthorized: false,
    maxVersion,
    servername,
    ...(resumed === undefined ? {} : { session: resumed }),
  });
  let session: Buffer | undefined;
  let answer = "";
  socket.on("session", (value: Buffer) => {
    session = value;
  });
  socket.on("data", (data: Buffer) => {
    answer += data.toString();
  });
  socket.on("error", () => {});
  await new Promise<void>((resolve) => socket.once("close", () => resolve()));
  return { isWelcome: answer === "welcome", session };
}

/** An SVID that the server has welcomed once and that has expired since, with the session of that visit. */
async function expiredVisitor(
  port: number,
  maxVersion?: "TLSv1.2",
): Promise<{ readonly svid: X509Svid; readonly session: Buffer | undefined }> {
  // Certificates count whole seconds. The longer ones are for machines on which a handshake takes that long.
  for (const lifetimeMs of [2_000, 4_000, 8_000, 16_000]) {
    const svid = issueSvid(clientId, root, { notAfterMs: Date.now() + lifetimeMs });
    const first = await visit(port, svid, maxVersion === undefined ? {} : { maxVersion });
    if (!first.isWelcome) continue;
    const [{ notAfterMs }] = svid.certificates;
    while (Date.now() <= notAfterMs + 1_000) await pause(100);
    return { svid, session: first.session };
  }
  throw new Error("no handshake was quicker than the life of its certificate");
}

describe.each([{ version: "TLS 1.3" }, { version: "TLS 1.2", maxVersion: "TLSv1.2" as const }])(
  "trap 1, $version: resumption ignores expiry",
  ({ maxVersion }) => {
    const visitAgain = async (server: Server): Promise<{ readonly withSession: boolean; readonly without: boolean }> => {
      const port = await portOf(server);
      const { svid, session } = await expiredVisitor(port, maxVersion);
      const options = maxVersion === undefined ? {} : { maxVersion };
      const [resumed, plain] = [await visit(port, svid, { ...options, session }), await visit(port, svid, options)];
      return { withSession: resumed.isWelcome, without: plain.isWelcome };
    };
    test("naive: an expired certificate gets in with its session", async () => {
      expect(await visitAgain(naiveServer({}))).toEqual({ withSession: true, without: false });
    });
    test("ours: it gets in with nothing", async () => {
      expect(await visitAgain(ourServer())).toEqual({ withSession: false, without: false });
    });
  },
);

describe("trap 2: a client whose authority is removed resumes its session", () => {
  const gone = newAuthority("a.test");
  const visitor = issueSvid(clientId, gone);
  test("naive: with SNICallback it still gets in", async () => {
    let trusted = [pemOf(root), pemOf(gone)];
    const context = (): ReturnType<typeof createSecureContext> => createSecureContext({ ...credentialsOf(serverSvid), ca: trusted });
    const server = naiveServer({ ca: trusted, SNICallback: (_, callback) => callback(null, context()) });
    const port = await portOf(server);
    const named = { servername: "server.a.test" };
    const first = await visit(port, visitor, named);
    trusted = [pemOf(root)];
    expect(first.isWelcome).toBe(true);
    expect((await visit(port, visitor, { ...named, session: first.session })).isWelcome).toBe(true);
    expect((await visit(port, visitor, named)).isWelcome).toBe(false);
  });
  test("naive: with ticket keys of one's own it still gets in", async () => {
    const server = naiveServer({ ca: [pemOf(root), pemOf(gone)], ticketKeys: Buffer.alloc(48, 7) });
    const port = await portOf(server);
    const first = await visit(port, visitor);
    server.setSecureContext({ ...credentialsOf(serverSvid), ca: [pemOf(root)] });
    expect(first.isWelcome).toBe(true);
    expect((await visit(port, visitor, { session: first.session })).isWelcome).toBe(true);
  });
  test("ours: it does not", async () => {
    const source = storeOf(serverSvid, [root, gone]);
    const port = await portOf(ourServer({ source }));
    const first = await visit(port, visitor);
    source.set({ bundles: bundlesOf(bundleOf("a.test", [root])) });
    expect(first.isWelcome).toBe(true);
    expect((await visit(port, visitor, { session: first.session })).isWelcome).toBe(false);
  });
});

describe("trap 3: a pool of authorities of two trust domains lets each sign for the other", () => {
  const other = newAuthority("b.test");
  const forged = issueSvid(clientId, other);
  test("naive: the forged identity gets in", async () => {
    const port = await portOf(naiveServer({ ca: [pemOf(root), pemOf(other)] }));
    expect((await visit(port, forged)).isWelcome).toBe(true);
  });
  test("ours: it does not, and an honest one of the other domain may", async () => {
    const source = storeOf(serverSvid, [root], bundleOf("b.test", [other]));
    const port = await portOf(ourServer({ source }));
    expect((await visit(port, forged)).isWelcome).toBe(false);
    expect((await visit(port, issueSvid(clientId, root))).isWelcome).toBe(true);
  });
});

describe("trap 4: with authorities in `ca` a server sees the leaf alone", () => {
  const intermediate = newAuthority("a.test", root);
  const below = issueSvid(clientId, intermediate, { intermediates: [intermediate] });
  test("naive: a validator behind it refuses a good peer with an intermediate", async () => {
    const verdicts: boolean[] = [];
    const server = createServer(
      { ...credentialsOf(serverSvid), ca: [pemOf(root)], requestCert: true, rejectUnauthorized: true },
      (socket) => {
        const seen: Uint8Array[] = [];
        for (let at = socket.getPeerX509Certificate(); at !== undefined; at = at.issuerCertificate) seen.push(at.raw);
        verdicts.push(verifyX509Svid(seen, storeOf(undefined, [root]), { nowMs: Date.now() }).ok);
        welcome(socket);
      },
    );
    expect((await visit(await portOf(server), below)).isWelcome).toBe(true);
    expect(verdicts).toEqual([false]);
  });
  test("ours: it sees the chain", async () => {
    expect((await visit(await portOf(ourServer()), below)).isWelcome).toBe(true);
  });
});
