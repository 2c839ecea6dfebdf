/** `vigil identity show`: who this process is by the running agent. */
import { chmod, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { writeFileAtomic } from "../../lib/atomic-write.ts";
import { formatDuration } from "../../lib/duration.ts";
import { VigilError } from "../../lib/error.ts";
import { encodePem } from "../../lib/pem.ts";
import { parseX509Bundle, type TrustBundle } from "../../spiffe/bundle.ts";
import type { X509SVID } from "../../spiffe/generated/spiffe/workload_pb.ts";
import { parseSpiffeId, trustDomainOf } from "../../spiffe/spiffe-id.ts";
import { parseX509Svid, verifyX509Svid, type X509Svid } from "../../spiffe/x509-svid.ts";
import { EXIT, type ExitCode, type Invocation } from "../command.ts";
import { wrapColumns } from "../table.ts";
import type { Terminal } from "../terminal.ts";
import { type AgentAnswers, type AgentOptions, agentAddress, askAgent } from "./agent-call.ts";

export interface ShowOptions extends AgentOptions {
  readonly format: "text" | "json";
  readonly write: string | undefined;
}

const TIMEOUT_MS = 10_000;

/** An identity with what is needed to judge it. */
interface ShownIdentity {
  readonly svid: X509Svid;
  readonly bundle: TrustBundle;
  /** Why the chain does not prove the identity; undefined when it does. */
  readonly problem: string | undefined;
}

export async function showIdentity(invocation: Invocation, options: ShowOptions): Promise<ExitCode> {
  const { terminal } = invocation;
  const path = agentAddress(invocation, options);
  if (path === undefined) return EXIT.unable;
  const answers = await askAgent(path, TIMEOUT_MS);
  if (!answers.svids.ok) {
    const { status, message } = answers.svids.error;
    const isRefused = status === "PERMISSION_DENIED";
    terminal.note(`error: ${isRefused ? message : `no agent answers at \`${path}\`: ${message}`}`);
    terminal.note("  `vigil identity doctor` says why, and what to do");
    if (options.format === "json" && isRefused) terminal.printJson(jsonOf([], answers));
    return isRefused ? EXIT.no : EXIT.unable;
  }
  const identities = answers.svids.value.svids.map(readIdentity);
  if (options.write !== undefined) await writeIdentity(options.write, identities[0], terminal);
  if (options.format === "json") terminal.printJson(jsonOf(identities, answers));
  else terminal.print(textOf(identities, answers, path, terminal));
  return identities.every(({ problem }) => problem === undefined) ? EXIT.yes : EXIT.no;
}

function readIdentity({ spiffeId, x509Svid, x509SvidKey, bundle: bundleDer, hint }: X509SVID): ShownIdentity {
  const svid = parseX509Svid(x509Svid, x509SvidKey, hint);
  if (!svid.ok) throw svid.error;
  const id = parseSpiffeId(spiffeId);
  if (!id.ok) throw id.error;
  const bundle = parseX509Bundle(bundleDer, trustDomainOf(id.value));
  if (!bundle.ok) throw bundle.error;
  const chain = svid.value.certificates.map(({ der }) => der);
  const verified = verifyX509Svid(
    chain,
    { bundleOf: (domain) => (domain === bundle.value.trustDomain ? bundle.value : undefined) },
    { nowMs: Date.now() },
  );
  return { svid: svid.value, bundle: bundle.value, problem: verified.ok ? undefined : verified.error.message };
}

const counted = (count: number, one: string, many: string): string => `${count} ${count === 1 ? one : many}`;
const hex = (serial: bigint): string => serial.toString(16).padStart(2, "0");
const iso = (ms: number): string => new Date(ms).toISOString();
const local = (ms: number): string => new Date(ms).toLocaleString("sv-SE");

function textOf(identities: readonly ShownIdentity[], { description, bundles }: AgentAnswers, path: string, terminal: Terminal): string {
  const facts = description.ok ? description.value : undefined;
  const nowMs = Date.now();
  const blocks = identities.map(({ svid, bundle, problem }, index) => {
    const [leaf, ...intermediates] = svid.certificates;
    const known = facts?.caller?.identities.find(({ spiffeId }) => spiffeId === svid.id);
    const leftMs = leaf.notAfterMs - nowMs;
    const rows = [
      ...(known === undefined ? [] : [["workload", known.workload]]),
      ...(svid.hint === "" ? [] : [["hint", svid.hint]]),
      ["serial", hex(leaf.serial)],
      ["valid", `${local(leaf.notBeforeMs)} to ${local(leaf.notAfterMs)}, ${leftMs > 0 ? `${formatDuration(leftMs)} left` : "expired"}`],
      ...(known === undefined || known.renewAtMs === 0n ? [] : [["renewal", `${local(Number(known.renewAtMs))}`]]),
      [
        "chain",
        `${counted(1 + intermediates.length, "certificate", "certificates")}, to ${counted(bundle.x509Authorities.length, "authority", "authorities")} of ${bundle.trustDomain}`,
      ],
      ["verified", problem ?? "yes"],
    ];
    const title = `${terminal.style(problem === undefined ? "green" : "red", svid.id)}${index === 0 && identities.length > 1 ? " (default)" : ""}`;
    return [
      title,
      ...wrapColumns(
        rows.map(([name = "", value = ""]) => [`  ${name}`, value]),
        terminal.width,
      ),
    ].join("\n");
  });
  const caller = facts?.caller;
  const trusted = bundles.ok ? Object.keys(bundles.value.bundles).map((id) => id.replace(/^spiffe:\/\//, "")) : [];
  const more = [
    ...(caller === undefined ? [] : [["known by", `${caller.selectors.join(", ")}`]]),
    ["trusts", trusted.join(", ")],
    ["agent", `unix:${path}${facts?.agent === undefined ? "" : `, authority ${facts.agent.authorityState}`}`],
  ];
  return [
    ...blocks,
    wrapColumns(
      more.map(([name = "", value = ""]) => [name, value]),
      terminal.width,
    ).join("\n"),
  ].join("\n\n");
}

function jsonOf(identities: readonly ShownIdentity[], { description, bundles }: AgentAnswers): unknown {
  const caller = description.ok ? description.value.caller : undefined;
  const agent = description.ok ? description.value.agent : undefined;
  return {
    identities: identities.map(({ svid, bundle, problem }) => {
      const [leaf] = svid.certificates;
      const known = caller?.identities.find(({ spiffeId }) => spiffeId === svid.id);
      return {
        spiffeId: svid.id,
        workload: known?.workload ?? null,
        hint: svid.hint,
        serial: hex(leaf.serial),
        notBefore: iso(leaf.notBeforeMs),
        notAfter: iso(leaf.notAfterMs),
        renewAt: known === undefined || known.renewAtMs === 0n ? null : iso(Number(known.renewAtMs)),
        chainPem: svid.certificates.map(({ der }) => encodePem({ label: "CERTIFICATE", der })).join(""),
        authorities: bundle.x509Authorities.length,
        verified: problem === undefined,
        problem: problem ?? null,
      };
    }),
    selectors: caller?.selectors ?? [],
    trustDomains: bundles.ok ? Object.keys(bundles.value.bundles) : [],
    agent: agent === undefined ? null : { version: agent.version, trustDomain: agent.trustDomain, authority: agent.authorityState },
  };
}

const PRIVATE_DIRECTORY = 0o700;
const PUBLIC_FILE = 0o644;

/** The default identity as PEM files, once: `vigil identity watch` keeps them new. */
async function writeIdentity(directory: string, identity: ShownIdentity | undefined, terminal: Terminal): Promise<void> {
  if (identity === undefined) throw new VigilError("IDENTITY_NONE", "there is no identity to write");
  const { svid, bundle } = identity;
  const made = await mkdir(directory, { recursive: true, mode: PRIVATE_DIRECTORY });
  if (made !== undefined) await chmod(directory, PRIVATE_DIRECTORY);
  const certificates = (ders: readonly { readonly der: Uint8Array }[]): string =>
    ders.map(({ der }) => encodePem({ label: "CERTIFICATE", der })).join("");
  const key = svid.privateKey.export({ format: "der", type: "pkcs8" });
  // The key first: a certificate without its key is of no use to anybody.
  await writeFileAtomic(join(directory, "svid-key.pem"), encodePem({ label: "PRIVATE KEY", der: key }));
  await writeFileAtomic(join(directory, "svid.pem"), certificates(svid.certificates), PUBLIC_FILE);
  await writeFileAtomic(join(directory, "bundle.pem"), certificates(bundle.x509Authorities), PUBLIC_FILE);
  terminal.note(`wrote svid.pem, svid-key.pem and bundle.pem to ${directory}; they expire at ${local(svid.certificates[0].notAfterMs)}`);
}
