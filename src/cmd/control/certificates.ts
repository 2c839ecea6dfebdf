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
  const directory = join(stateDirectory, ADMISSION_FOLDER);
  return CertificateStore.open({ directory, names: subjectNames(settings), nowMs: Date.now });
}

/** Every name by which API servers call: the Service's, this machine's, and what the configuration adds. */
export function subjectNames(settings: Settings): readonly SubjectName[] {
  const { host } = parseListenAddress(settings["admission.listen"]);
  const isAny = host === "0.0.0.0" || host === "::";
  const own = isAny ? Object.values(networkInterfaces()).flatMap((list) => list?.map(({ address }) => address) ?? []) : [host];
  const service = [`vigil.${settings["admission.namespace"]}.svc`, `vigil.${settings["admission.namespace"]}.svc.cluster.local`];
  // An address with a zone (`fe80::1%eth0`) means something on this machine only.
  const values = ["localhost", "127.0.0.1", ...own, ...service, ...settings["admission.names"]].filter((value) => !value.includes("%"));
  return [...new Set(values)].map((value): SubjectName => ({ kind: isIP(value) === 0 ? "dns" : "ip", value }));
}
