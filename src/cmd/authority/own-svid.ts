/** The authority's own SVIDs, for the addresses where it listens: renewed at half of their life, and when its authority changes. */
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import type { Authority } from "../../identity/authority/authority.ts";
import { messageOf } from "../../lib/error.ts";
import { encodePem } from "../../lib/pem.ts";
import { parseX509Svid, type X509Svid } from "../../spiffe/x509-svid.ts";
import type { Log } from "../log.ts";

/** Of the SPIFFE ID: `vigil/authority`. */
export type OwnPath = readonly ["vigil" | "spire", string];

export interface OwnSvidOptions {
  readonly authority: Authority;
  readonly path: OwnPath;
  readonly dnsNames: readonly string[];
  readonly log: Log;
  readonly signal: AbortSignal;
}

const RETRY_MS = 5_000;

/** The first one; `use` is called with each later one. Rejects when there is none. */
export async function ownSvid(options: OwnSvidOptions, use: (svid: X509Svid) => void): Promise<X509Svid> {
  const { authority, path, log, signal } = options;
  let current = await issue(options);
  let timer: NodeJS.Timeout | undefined;
  const renew = async (): Promise<void> => {
    try {
      current = await issue(options);
      use(current.svid);
      schedule(current.renewAtMs - Date.now());
    } catch (thrown) {
      log("error", `the certificate of ${path.join("/")} cannot be renewed: ${messageOf(thrown)}`);
      schedule(RETRY_MS);
    }
  };
  const schedule = (delayMs: number): void => {
    clearTimeout(timer);
    if (!signal.aborted) timer = setTimeout(() => void renew(), Math.max(RETRY_MS, delayMs)).unref();
  };
  const stop = authority.onChange(() => {
    if (authority.shared.taintedIds.includes(current.authorityId) || authority.shared.denials.authorityIds.has(current.authorityId))
      void renew();
  });
  signal.addEventListener("abort", () => {
    clearTimeout(timer);
    stop();
  });
  schedule(current.renewAtMs - Date.now());
  return current.svid;
}

interface Own {
  readonly svid: X509Svid;
  readonly renewAtMs: number;
  readonly authorityId: string;
}

async function issue({ authority, path, dnsNames }: OwnSvidOptions): Promise<Own> {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const issued = await authority.signOwn(path, publicKey.export({ type: "spki", format: "der" }), dnsNames);
  if (!issued.ok) throw issued.error;
  const svid = parseX509Svid(Buffer.concat(issued.value.certificates), privateKey.export({ type: "pkcs8", format: "der" }));
  if (!svid.ok) throw svid.error;
  return { svid: svid.value, renewAtMs: issued.value.renewAtMs, authorityId: issued.value.authorityId };
}

/** Key and chain as TLS servers take them. */
export const pemOf = ({ certificates, privateKey }: X509Svid): { readonly keyPem: string; readonly chainPem: string } => ({
  keyPem: keyPemOf(privateKey),
  chainPem: certificates.map(({ der }) => encodePem({ label: "CERTIFICATE", der })).join(""),
});

const keyPemOf = (key: KeyObject): string => encodePem({ label: "PRIVATE KEY", der: key.export({ type: "pkcs8", format: "der" }) });
