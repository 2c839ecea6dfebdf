/** The webhook's SVID, as the agent gives it to this process like to any other workload. */
import { join } from "node:path";
import type { ServingCertificate } from "../../admission/certificate-source.ts";
import type { NamedCertificate } from "../../admission/server.ts";
import { systemPacing } from "../../grpc/back-off.ts";
import { writeFileAtomic } from "../../lib/atomic-write.ts";
import { messageOf } from "../../lib/error.ts";
import { encodePem } from "../../lib/pem.ts";
import { pathOf, trustDomainOf } from "../../spiffe/spiffe-id.ts";
import { WorkloadApiClient } from "../../spiffe/workload-api/client.ts";
import { WorkloadX509Source } from "../../spiffe/workload-api/x509-source.ts";
import { agentSocket } from "../identity-sockets.ts";
import type { Log } from "../log.ts";
import type { ControlSettings } from "./settings.ts";

/** The identity that the authority registers for it. */
const IDENTITY_PATH = "/vigil/admission";
const BUNDLE_FILE = "trust-bundle.pem";
const PUBLIC_MODE = 0o644;
const WAIT_MS = 5_000;

export interface WebhookIdentity extends NamedCertificate {
  /** PEM of the trust domain's authorities; kept up to date. */
  readonly bundleFile: string;
  /** Whether there is an identity, after a short wait: the agent has just started too. */
  hasBegun(): Promise<boolean>;
}

/**
 * Follows the SVID until the signal aborts. It is presented to who asks for the trust domain's name, and renewed by the agent; without
 * an agent there is none, and the webhook has its own certificate for everybody.
 */
export function followWebhookIdentity(
  { stateDirectory, configuration }: ControlSettings,
  { folder, log }: { readonly folder: string; readonly log: Log },
  signal: AbortSignal,
): WebhookIdentity {
  const client = new WorkloadApiClient({ kind: "unix", path: agentSocket(stateDirectory, configuration) });
  const source = new WorkloadX509Source({
    client,
    pacing: systemPacing,
    pick: (svids) => svids.find(({ id }) => pathOf(id) === IDENTITY_PATH),
  });
  const bundleFile = join(folder, BUNDLE_FILE);
  let certificate: ServingCertificate | undefined;
  let written: Promise<void> = Promise.resolve();
  const end = source.onChange(() => {
    certificate = servingCertificate(source);
    const { caBundlePem } = certificate ?? {};
    if (caBundlePem !== undefined)
      written = writeFileAtomic(bundleFile, caBundlePem, PUBLIC_MODE).catch((error) =>
        log("error", `${bundleFile} cannot be written: ${messageOf(error)}`),
      );
  });
  signal.addEventListener(
    "abort",
    () => {
      end();
      source.close();
      void client.close();
    },
    { once: true },
  );
  return {
    serverName: configuration["identity.trustDomain"],
    current: () => (certificate !== undefined && certificate.expiresAtMs > Date.now() ? certificate : undefined),
    bundleFile,
    hasBegun: () =>
      source.ready(AbortSignal.any([signal, AbortSignal.timeout(WAIT_MS)])).then(
        async () => {
          await written;
          return certificate !== undefined;
        },
        () => false,
      ),
  };
}

function servingCertificate(source: WorkloadX509Source): ServingCertificate | undefined {
  const svid = source.x509Svid();
  const bundle = svid && source.bundleOf(trustDomainOf(svid.id));
  if (svid === undefined || bundle === undefined) return undefined;
  const pem = (certificates: readonly { readonly der: Uint8Array }[]): string =>
    certificates.map(({ der }) => encodePem({ label: "CERTIFICATE", der })).join("");
  return {
    keyPem: encodePem({ label: "PRIVATE KEY", der: svid.privateKey.export({ format: "der", type: "pkcs8" }) }),
    chainPem: pem(svid.certificates),
    caBundlePem: pem(bundle.x509Authorities),
    expiresAtMs: svid.certificates[0].notAfterMs,
  };
}
