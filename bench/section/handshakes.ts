/** Mutual TLS handshakes, both ends in this process: `node:tls` with its own verification, and with a service identity of Vigil. */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { connect, createSecureContext, createServer, type Server, type TLSSocket } from "node:tls";
import { encodePem } from "../../src/lib/pem.ts";
import { createServiceIdentity, createTlsServer, type IdentitySource, type ServiceIdentity } from "../../src/service/index.ts";
import type { X509Svid } from "../../src/spiffe/x509-svid.ts";
import { issueSvid, newAuthority, storeOf } from "../../test/service/trust-domain.ts";
import { type Contestant, compete, cpuNs } from "../measure.ts";
import type { Section } from "../report.ts";

const AT_ONCE = 4;
const SERVER = "spiffe://a.test/server";
const CLIENT = "spiffe://a.test/client";
const GOAL = 0.9;

type Dial = () => Promise<TLSSocket>;

function contestant(name: string, dial: Dial): Contestant {
  return {
    name,
    run: async (iterations) => {
      const start = cpuNs();
      let left = iterations;
      const one = async (): Promise<void> => {
        while (left-- > 0) {
          const socket = await dial();
          socket.on("error", () => {}).destroy();
          await once(socket, "close");
        }
      };
      await Promise.all(Array.from({ length: AT_ONCE }, one));
      return cpuNs() - start;
    },
  };
}

async function listening(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

const hold = (socket: TLSSocket): void => {
  socket.on("error", () => {}).resume();
};

export async function handshakes(): Promise<Section> {
  const authority = newAuthority("a.test");
  const [serverSvid, clientSvid] = [issueSvid(SERVER, authority), issueSvid(CLIENT, authority)];
  const ca = encodePem({ label: "CERTIFICATE", der: authority.der });
  const pem = ({ privateKey, certificates }: X509Svid): { readonly key: string; readonly cert: string } => ({
    key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    cert: certificates.map(({ der }) => encodePem({ label: "CERTIFICATE", der })).join(""),
  });

  const plain = createServer({ ...pem(serverSvid), ca, requestCert: true, rejectUnauthorized: true, minVersion: "TLSv1.3" }, hold);
  const plainPort = await listening(plain);
  const context = createSecureContext({ ...pem(clientSvid), ca, minVersion: "TLSv1.3" });
  const dialPlain: Dial = async () => {
    // No DNS name: a SPIFFE ID is all that an SVID has.
    const socket = connect({ host: "127.0.0.1", port: plainPort, secureContext: context, checkServerIdentity: () => undefined });
    await once(socket, "secureConnect");
    return socket;
  };

  const closing: (Server | ServiceIdentity)[] = [plain];
  const ours = async (sourceOf: (svid: X509Svid) => IdentitySource): Promise<Dial> => {
    const [server, client] = [serverSvid, clientSvid].map((svid) => createServiceIdentity({ source: sourceOf(svid) }));
    if (server === undefined || client === undefined) throw new Error("two identities");
    const listener = createTlsServer(server, { allow: [CLIENT] }, hold);
    closing.push(server, client, listener);
    const port = await listening(listener);
    return async () => (await client.connect({ host: "127.0.0.1", port }, ({ id }) => id === SERVER)).socket;
  };
  const dialKnown = await ours((svid) => storeOf(svid, [authority]));
  const dialUnknown = await ours((svid) => {
    const store = storeOf(svid, [authority]);
    // Another bundle each time: no verdict holds.
    return {
      x509Svid: () => svid,
      bundleOf: (domain) => {
        const bundle = store.bundleOf(domain);
        return bundle && { ...bundle };
      },
    };
  });

  const measured = await compete([
    contestant("node:tls", dialPlain),
    contestant("Vigil, peers that were here before", dialKnown),
    contestant("Vigil, peers that are new", dialUnknown),
  ]);
  for (const one of closing) one.close();
  const baseline = measured[0]?.median ?? Number.NaN;
  const ratio = (index: number): number => baseline / (measured[index]?.median ?? Number.NaN);
  return {
    title: "Handshakes of mutual TLS",
    notes: [
      "TLS 1.3, EC P-256, new connections without resumption, both ends in one process: one handshake is the work of a client and a server.",
      "`node:tls` verifies both chains against one authority; Vigil by its own validator, against the bundle of the peer's trust domain, with the peer's rule.",
    ],
    columns: ["", "CPU per handshake", "handshakes per CPU second", "of node:tls"],
    rows: measured.map(({ name, median }, index) => [
      name,
      `${(median / 1e6).toFixed(2)} ms`,
      Math.round(1e9 / median).toLocaleString("en"),
      `${(100 * ratio(index)).toFixed(0)} %`,
    ]),
    targets: [1, 2].map((index) => ({
      what: `handshakes of ${measured[index]?.name} against node:tls`,
      goal: "≥ 90 %",
      value: 100 * ratio(index),
      met: ratio(index) >= GOAL,
    })),
  };
}
