/** The certificates that a peer presented. */
import type { TLSSocket } from "node:tls";
import { MAX_CHAIN_LENGTH } from "../spiffe/path-validation.ts";

/**
 * DER, leaf first; empty when it presented none. INVARIANT: the socket's context trusts nobody (`ca: []`): with trusted authorities Node
 * shows a server only the leaf. One more than a chain may have is read, so that longer ones are refused and not cut.
 */
export function presentedChain(socket: TLSSocket): readonly Uint8Array[] {
  const chain: Uint8Array[] = [];
  let certificate = socket.getPeerX509Certificate();
  while (certificate !== undefined && chain.length <= MAX_CHAIN_LENGTH) {
    chain.push(certificate.raw);
    certificate = certificate.issuerCertificate;
  }
  return chain;
}
