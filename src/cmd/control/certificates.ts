/** The webhook's certificate in the state directory. */
import { isIP } from "node:net";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { CertificateStore } from "../../admission/certificate-store.ts";
import type { SubjectName } from "../../lib/certificate.ts";
import { parseListenAddress } from "../listen-address.ts";
import type { Settings } from "../settings.ts";

/** The folder of the state directory that holds what the webhook keeps. */
export const ADMISSION_FOLDER = "admission";

export function openCertificates(stateDirectory: string, settings: Settings): Promise<CertificateStore> {
  const { host } = parseListenAddress(settings["admission.listen"]);
  const names = subjectNames(host, settings["admission.namespace"], settings["admission.names"]);
  return CertificateStore.open({ directory: join(stateDirectory, ADMISSION_FOLDER), names, nowMs: Date.now });
}

/** Every name by which API servers call: the Service's, this machine's, and what the configuration adds. */
function subjectNames(host: string, namespace: string, additions: readonly string[]): readonly SubjectName[] {
  const isAny = host === "0.0.0.0" || host === "::";
  const own = isAny ? Object.values(networkInterfaces()).flatMap((list) => list?.map(({ address }) => address) ?? []) : [host];
  const service = [`vigil.${namespace}.svc`, `vigil.${namespace}.svc.cluster.local`];
  // An address with a zone (`fe80::1%eth0`) means something on this machine only.
  const values = ["localhost", "127.0.0.1", ...own, ...service, ...additions].filter((value) => !value.includes("%"));
  return [...new Set(values)].map((value): SubjectName => ({ kind: isIP(value) === 0 ? "dns" : "ip", value }));
}
