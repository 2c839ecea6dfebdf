/** Who is at the other end of a connection, proved. */
import type { SpiffeId, TrustDomain } from "../spiffe/spiffe-id.ts";
import { pathOf, trustDomainOf } from "../spiffe/spiffe-id.ts";
import type { X509Certificate } from "../spiffe/x509-certificate.ts";
import type { VerifiedX509Svid } from "../spiffe/x509-svid.ts";

export interface Peer {
  readonly id: SpiffeId;
  readonly trustDomain: TrustDomain;
  /** Of the SPIFFE ID, with its leading slash. */
  readonly path: string;
  /** DNS names in the certificate, as the authority wrote them. */
  readonly dnsNames: readonly string[];
  /** When the proof ends and the connection with it, in ms since the epoch. */
  readonly validUntilMs: number;
  /** Leaf first, authority last. */
  readonly certificates: readonly X509Certificate[];
}

export const peerOfSvid = ({ id, path, validUntilMs }: VerifiedX509Svid): Peer => ({
  id,
  trustDomain: trustDomainOf(id),
  path: pathOf(id),
  dnsNames: path[0]?.names?.dnsNames ?? [],
  validUntilMs,
  certificates: path,
});
