/** Who may not connect to the agent any more although the certificates are in order: what its authority denies. */
import type { RevocationSource } from "../../spiffe/bundle-source.ts";
import { trustDomainOf } from "../../spiffe/spiffe-id.ts";
import type { X509Certificate } from "../../spiffe/x509-certificate.ts";
import type { VerifiedX509Svid } from "../../spiffe/x509-svid.ts";
import type { Agent } from "./agent.ts";

export const deniedPeers = (agent: Agent): RevocationSource => ({
  isRevoked: ({ id, path }: VerifiedX509Svid): boolean => {
    const { denials, trustDomain } = agent.state;
    if (denials.spiffeIds.has(id)) return true;
    // Serial numbers and authorities are those of the own trust domain.
    if (trustDomainOf(id) !== trustDomain) return false;
    return path.some((certificate) => denials.serials.has(serialOf(certificate)) || denials.authorityIds.has(authorityIdOf(certificate)));
  },
  onChange: (listener) => agent.onChange(listener),
});

function serialOf({ serial }: X509Certificate): string {
  const hex = serial.toString(16);
  return hex.padStart(hex.length + (hex.length % 2), "0");
}

const authorityIdOf = ({ subjectKeyIdentifier }: X509Certificate): string => Buffer.from(subjectKeyIdentifier ?? []).toString("hex");
