/** `vigil deploy webhook`: what makes an API server ask this Vigil. */
import { X509Certificate } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { CA_BUNDLE_FILE } from "../admission/certificate-store.ts";
import { type WebhookClient, webhookConfigurations } from "../admission/webhook-configuration.ts";
import { rulesOfPolicies } from "../admission/webhook-rule.ts";
import { VigilError } from "../lib/error.ts";
import { encodeYamlDocuments } from "../lib/yaml/writer.ts";
import { phaseOf } from "../policy/snapshot.ts";
import { EXIT, type ExitCode, type Invocation } from "./command.ts";
import { compilePolicySet } from "./compile-policy-set.ts";
import { type Configuration, loadConfiguration } from "./config.ts";
import { ADMISSION_FOLDER, openCertificates, subjectNames } from "./control/certificates.ts";
import { parseListenAddress } from "./listen-address.ts";
import { noteDiagnostics, noteWarning } from "./notes.ts";
import { readPolicySet } from "./policy-set.ts";
import { readInput } from "./read-input.ts";
import type { SettingSources, Settings } from "./settings.ts";
import { openStateDirectory } from "./state-directory.ts";

export interface DeployOptions {
  readonly config: string | undefined;
  readonly flags: SettingSources["flags"];
  /** `https://host:port` of a Vigil outside the cluster; else a Service. */
  readonly url: string | undefined;
  /** A file with the CA in PEM; else the one of the state directory. */
  readonly ca: string | undefined;
  readonly timeoutMs: number;
  readonly failurePolicy: "Fail" | "Ignore";
  readonly format: "yaml" | "json";
}

export type DeployErrorCode = "DEPLOY_OPTION";

const SERVICE_PORT = 443;

export async function deployWebhook(invocation: Invocation, options: DeployOptions): Promise<ExitCode> {
  const { terminal } = invocation;
  const configuration = loadConfiguration(invocation, options.config, options.flags);
  if (!configuration.ok) {
    noteDiagnostics(terminal, configuration.error);
    return EXIT.unable;
  }
  const { values } = configuration.value;
  const { snapshot, diagnostics } = compilePolicySet(await readPolicySet(values.policies), "inactive");
  noteDiagnostics(terminal, diagnostics);
  if (snapshot.policies.length === 0)
    noteWarning(terminal, "there are no policies, so there is nothing to ask Vigil about", "see `--policy`");
  const unnamed = options.ca === undefined && options.url !== undefined ? unnamedHost(options.url, values) : undefined;
  if (unnamed !== undefined) {
    noteWarning(terminal, `the certificate of this Vigil does not name \`${unnamed}\``, "add it to the setting `admission.names`");
  }
  const rulesOf = (phase: "validate" | "mutate") => rulesOfPolicies(snapshot.policies.filter((policy) => phaseOf(policy) === phase));
  const caBundlePem =
    options.ca === undefined ? await ownAuthority(configuration.value) : parseAuthority(readInput(options.ca, terminal), options.ca);
  const objects = checked(() =>
    webhookConfigurations({
      rules: { validate: rulesOf("validate"), mutate: rulesOf("mutate") },
      caBundlePem,
      client: clientOf(options.url, values["admission.listen"]),
      namespace: values["admission.namespace"],
      excludedNamespaces: values["admission.exclude"],
      timeoutSeconds: options.timeoutMs / 1_000,
      failurePolicy: options.failurePolicy,
    }),
  );
  if (options.format === "json") terminal.printJson({ apiVersion: "v1", kind: "List", items: objects });
  else terminal.print(encodeYamlDocuments(objects).trimEnd());
  return diagnostics.some(({ severity }) => severity === "error") ? EXIT.unable : EXIT.yes;
}

const clientOf = (url: string | undefined, listen: string): WebhookClient =>
  url === undefined
    ? { kind: "service", name: "vigil", port: SERVICE_PORT, targetPort: parseListenAddress(listen).port }
    : { kind: "url", url };

/** The host of the URL, when API servers would not find it in the certificate. */
function unnamedHost(url: string, settings: Settings): string | undefined {
  const host = URL.parse(url)?.hostname.replaceAll(/[[\]]/g, "");
  return host === undefined || subjectNames(settings).some(({ value }) => value === host) ? undefined : host;
}

/** UNTRUSTED: an API server that is given anything else refuses the whole configuration, or never trusts the webhook. */
function parseAuthority(pem: Uint8Array, file: string): string {
  const text = Buffer.from(pem).toString();
  try {
    if (text.includes("-----BEGIN CERTIFICATE-----") && new X509Certificate(text).ca) return text;
  } catch {
    // As wrong as a text without a certificate.
  }
  throw new VigilError<DeployErrorCode>("DEPLOY_OPTION", `expected the certificate of a CA in PEM, got \`${file}\``, {
    hint: "it begins with `-----BEGIN CERTIFICATE-----`",
  });
}

/** The authority of this installation; a first one is made where there is none. */
async function ownAuthority({ values }: Configuration): Promise<string> {
  const file = join(values["state.directory"], ADMISSION_FOLDER, CA_BUNDLE_FILE);
  if (existsSync(file)) return readFileSync(file, "utf8");
  const state = await openStateDirectory(values["state.directory"]);
  try {
    return (await openCertificates(state.path, values)).current().caBundlePem;
  } finally {
    state.release();
  }
}

/** What the API server would refuse is the caller's mistake there, and the user's here. */
function checked<T>(make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (error instanceof RangeError) throw new VigilError<DeployErrorCode>("DEPLOY_OPTION", error.message, { cause: error });
    throw error;
  }
}
