/** What is wrong with the identities of a process: from facts to causes and remedies. Asks nothing and nobody. */

import { formatDuration } from "../../lib/duration.ts";
import type { CallerIdentity, Description } from "../../service/generated/vigil/agent/v1/agent_pb.ts";
import { parseX509Bundle } from "../../spiffe/bundle.ts";
import type { X509SVID } from "../../spiffe/generated/spiffe/workload_pb.ts";
import { parseSpiffeId, trustDomainOf } from "../../spiffe/spiffe-id.ts";
import { parseX509Svid, verifyX509Svid } from "../../spiffe/x509-svid.ts";
import type { AgentAnswers } from "./agent-call.ts";

/** What stands at the path of the socket. */
export type SocketState = "absent" | "other" | "forbidden" | "refusing" | "accepting";

export interface DiagnosisFacts {
  readonly path: string;
  readonly socket: SocketState;
  /** Undefined when the socket does not accept. */
  readonly answers: AgentAnswers | undefined;
  readonly nowMs: number;
  readonly timeoutMs: number;
}

export type Cause =
  | "socket-absent"
  | "socket-foreign"
  | "socket-forbidden"
  | "socket-stale"
  | "agent-timeout"
  | "agent-unknown"
  | "attestation-refused"
  | "authority-unreachable"
  | "authority-timeout"
  | "authority-refuses-agent"
  | "clock-skew"
  | "ca-expired"
  | "ca-tainted"
  | "not-registered"
  | "revoked"
  | "policy-refused"
  | "issue-failed"
  | "svid-expired"
  | "unknown-authority"
  | "ttl-too-short";

export type CheckName =
  | "socket"
  | "agent"
  | "attestation"
  | "authority"
  | "clock"
  | "trust"
  | "registration"
  | "policy"
  | "chain"
  | "lifetime";

export type Finding =
  | { readonly check: CheckName; readonly state: "well"; readonly message: string }
  | {
      readonly check: CheckName;
      readonly state: "warning" | "wrong";
      readonly cause: Cause;
      readonly message: string;
      readonly remedy: string;
    };

/** The authority back-dates by ten seconds: more than half of that is too close. */
const MAX_SKEW_MS = 5_000;
/** From the beginning of renewal to expiry there must be time for the longest pause between attempts, and a restart. */
const RETRY_WINDOW_MS = 30_000;

const well = (check: CheckName, message: string): Finding => ({ check, state: "well", message });
const wrong = (check: CheckName, cause: Cause, message: string, remedy: string): Finding => ({
  check,
  state: "wrong",
  cause,
  message,
  remedy,
});
const warning = (check: CheckName, cause: Cause, message: string, remedy: string): Finding => ({
  check,
  state: "warning",
  cause,
  message,
  remedy,
});

/** Every check that the facts allow, in the order in which one rests on the other. */
export function diagnose(facts: DiagnosisFacts): readonly Finding[] {
  const socket = checkSocket(facts);
  if (socket.state !== "well" || facts.answers === undefined) return [socket];
  const { description } = facts.answers;
  if (!description.ok) return [socket, agentProblem(facts, description.error.status, description.error.message)];
  const { caller, agent } = description.value;
  const agentWell = well("agent", `version ${agent?.version ?? ""}, trust domain ${agent?.trustDomain || "not known yet"}`);
  const shared = [socket, agentWell];
  const authority = checkAuthority(description.value);
  if (caller === undefined || caller.refusal !== "") {
    const message = caller?.refusal ?? "the agent does not say who the caller is";
    return [
      ...shared,
      wrong("attestation", "attestation-refused", message, "look at the control groups and namespaces of the process"),
      authority,
    ];
  }
  const attestation = well(
    "attestation",
    `process ${caller.pid}: ${caller.selectors.length} selectors${caller.remarks.map((remark) => `; ${remark}`).join("")}`,
  );
  const rest = [authority, ...checkClock(description.value, facts.nowMs), ...checkTrust(description.value, facts.nowMs)];
  if (agent?.authorityState === "never") return [...shared, attestation, ...rest];
  return [...shared, attestation, ...rest, ...checkRegistration(description.value), ...checkIdentities(facts, caller.identities)];
}

function checkSocket({ path, socket }: DiagnosisFacts): Finding {
  switch (socket) {
    case "absent":
      return wrong(
        "socket",
        "socket-absent",
        `nothing is at \`${path}\``,
        "start the agent with `vigil up`, or name its socket with SPIFFE_ENDPOINT_SOCKET",
      );
    case "other":
      return wrong(
        "socket",
        "socket-foreign",
        `\`${path}\` is no socket`,
        "name the agent's socket with SPIFFE_ENDPOINT_SOCKET or `identity.socket`",
      );
    case "forbidden":
      return wrong(
        "socket",
        "socket-forbidden",
        `this user may not open \`${path}\``,
        "every user must be able to enter its directory: give `identity.socket` another one, such as /run/vigil",
      );
    case "refusing":
      return wrong(
        "socket",
        "socket-stale",
        `nobody listens at \`${path}\`: its agent has ended`,
        "start it again with `vigil up`; it replaces the socket",
      );
    case "accepting":
      return well("socket", path);
    default:
      return socket satisfies never;
  }
}

function agentProblem({ path, timeoutMs }: DiagnosisFacts, status: string, message: string): Finding {
  if (status === "DEADLINE_EXCEEDED") {
    return wrong(
      "agent",
      "agent-timeout",
      `the agent did not answer within ${formatDuration(timeoutMs)}`,
      "see whether its process is stopped or overloaded: `vigil status`, and its log",
    );
  }
  if (status === "PERMISSION_DENIED")
    return wrong("attestation", "attestation-refused", message, "look at the control groups and namespaces of the process");
  return wrong(
    "agent",
    "agent-unknown",
    `what listens at \`${path}\` is no agent of Vigil: ${message}`,
    "name the agent's socket with SPIFFE_ENDPOINT_SOCKET; that of another SPIFFE agent can be used, but not examined",
  );
}

function checkAuthority({ agent }: Description): Finding {
  if (agent === undefined || agent.authorityState === "connected")
    return well("authority", `connected to ${agent?.authorityAddress ?? ""}`);
  const { authorityProblemCode: code, authorityProblem, authorityAddress, firstExpiryMs, nowMs } = agent;
  const leftMs = Number(firstExpiryMs - nowMs);
  const left =
    firstExpiryMs === 0n ? "no identity is held" : `identities are served on, the first for ${formatDuration(Math.max(0, leftMs))}`;
  if (code === "DEADLINE_EXCEEDED") {
    return wrong(
      "authority",
      "authority-timeout",
      `the authority at ${authorityAddress} takes the connection and does not answer: ${authorityProblem}; ${left}`,
      "see whether its process is stopped or its disk full: `vigil status`, and its log",
    );
  }
  if (code === "PERMISSION_DENIED" || code === "UNAUTHENTICATED") {
    return wrong(
      "authority",
      "authority-refuses-agent",
      `the authority at ${authorityAddress} refuses this agent: ${authorityProblem}; ${left}`,
      "run the agent as root or as the user of the authority, or attest its node again",
    );
  }
  return wrong(
    "authority",
    "authority-unreachable",
    `the authority at ${authorityAddress} is out of reach: ${authorityProblem || "not tried yet"}; ${left}`,
    "see whether it runs (`vigil status`); the agent goes on trying by itself",
  );
}

function checkClock({ agent }: Description, nowMs: number): readonly Finding[] {
  if (agent === undefined) return [];
  const aheadMs = Number(agent.authorityClockAheadMs);
  const hereMs = Number(agent.nowMs) - nowMs;
  const [worst, whose] = Math.abs(aheadMs) >= Math.abs(hereMs) ? [aheadMs, "authority"] : [hereMs, "agent"];
  if (Math.abs(worst) <= MAX_SKEW_MS) return [well("clock", "the clocks agree")];
  const message = `the clock of the ${whose} is ${formatDuration(Math.abs(worst))} ${worst > 0 ? "ahead of" : "behind"} this machine's`;
  return [
    wrong(
      "clock",
      "clock-skew",
      message,
      "synchronise the clocks (chrony, systemd-timesyncd): SVIDs are not valid yet, or expire early, by this difference",
    ),
  ];
}

function checkTrust({ agent }: Description, nowMs: number): readonly Finding[] {
  const authorities = agent?.x509Authorities ?? [];
  if (agent === undefined || authorities.length === 0) return [];
  // One that is not valid yet is a matter of clocks, which another check tells.
  const isValid = ({ notAfterMs }: (typeof authorities)[number]): boolean => nowMs <= Number(notAfterMs);
  const active = authorities.find(({ isActive }) => isActive);
  if (!authorities.some(isValid) || (active !== undefined && !isValid(active))) {
    const until = new Date(Number((active ?? authorities[0])?.notAfterMs ?? 0)).toISOString();
    return [
      wrong(
        "trust",
        "ca-expired",
        `the certificate of the signing authority expired at ${until}`,
        "let the authority make and use another one: `vigil trust prepare` and `vigil trust activate`",
      ),
    ];
  }
  if (active?.isTainted) {
    return [warning("trust", "ca-tainted", "the authority that signs is tainted", "`vigil trust activate` lets the next one sign")];
  }
  return [well("trust", `authorities in the bundle: ${authorities.length}, of them not expired: ${authorities.filter(isValid).length}`)];
}

function checkRegistration({ caller, agent }: Description): readonly Finding[] {
  const identities = caller?.identities ?? [];
  if (identities.length === 0) {
    const message = `none of the ${agent?.entryCount ?? 0} registered workloads that this agent may serve matches: ${(caller?.selectors ?? []).join(", ")}`;
    return [
      wrong("registration", "not-registered", message, "register it: a resource of kind Workload whose selectors are all among these"),
    ];
  }
  const denied = identities.filter(({ isDenied }) => isDenied);
  if (denied.length === identities.length) {
    const names = denied.map(({ spiffeId }) => spiffeId).join(", ");
    return [
      wrong(
        "registration",
        "revoked",
        `the identity is revoked: ${names}`,
        "`vigil identity list` shows what is denied; `vigil identity revoke --undo` takes it back",
      ),
    ];
  }
  return [well("registration", identities.map(({ workload, spiffeId }) => `${workload} as ${spiffeId}`).join(", "))];
}

function checkIdentities({ answers, nowMs }: DiagnosisFacts, identities: readonly CallerIdentity[]): readonly Finding[] {
  const svids = answers?.svids.ok ? answers.svids.value.svids : [];
  return identities
    .filter(({ isDenied }) => !isDenied)
    .flatMap((identity) => {
      const policy = issueProblem(identity);
      const svid = svids.find(({ spiffeId }) => spiffeId === identity.spiffeId);
      const chain = svid === undefined ? [] : [checkChain(svid, nowMs)];
      const lifetime = checkLifetime(identity);
      return [...(policy === undefined ? [] : [policy]), ...chain, ...(lifetime === undefined ? [] : [lifetime])];
    });
}

/** Why there is no SVID, or no newer one. That the authority is out of reach is said elsewhere. */
function issueProblem({ spiffeId, problem }: CallerIdentity): Finding | undefined {
  if (problem === "" || problem.startsWith("UNAVAILABLE")) return undefined;
  if (problem.startsWith("PERMISSION_DENIED")) {
    return wrong(
      "policy",
      "policy-refused",
      `the authority refuses \`${spiffeId}\`: ${problem}`,
      "change the rules of the TrustDomain, or the Workload so that they allow it",
    );
  }
  return wrong("policy", "issue-failed", `the authority does not issue \`${spiffeId}\`: ${problem}`, "see the authority's log");
}

function checkChain({ spiffeId, x509Svid, x509SvidKey, bundle }: X509SVID, nowMs: number): Finding {
  const broken = (message: string): Finding =>
    wrong(
      "chain",
      "unknown-authority",
      `the SVID of \`${spiffeId}\` does not verify: ${message}`,
      "the authority signs with a key that its bundle lacks: `vigil trust show`, then `vigil identity rotate`",
    );
  const svid = parseX509Svid(x509Svid, x509SvidKey);
  const id = parseSpiffeId(spiffeId);
  if (!svid.ok) return broken(svid.error.message);
  if (!id.ok) return broken(id.error.message);
  const authorities = parseX509Bundle(bundle, trustDomainOf(id.value));
  if (!authorities.ok) return broken(authorities.error.message);
  const [leaf] = svid.value.certificates;
  if (leaf.notAfterMs < nowMs) {
    return wrong(
      "chain",
      "svid-expired",
      `the SVID of \`${spiffeId}\` expired at ${new Date(leaf.notAfterMs).toISOString()}`,
      "the other findings say why it was not renewed",
    );
  }
  if (leaf.notBeforeMs > nowMs) {
    return wrong(
      "clock",
      "clock-skew",
      `the SVID of \`${spiffeId}\` is not valid before ${new Date(leaf.notBeforeMs).toISOString()}`,
      "synchronise the clocks of this machine and of the authority",
    );
  }
  const chain = svid.value.certificates.map(({ der }) => der);
  const verified = verifyX509Svid(chain, { bundleOf: () => authorities.value }, { nowMs });
  if (!verified.ok) return broken(verified.error.message);
  return well("chain", `\`${spiffeId}\` verifies, for ${formatDuration(leaf.notAfterMs - nowMs)} more`);
}

/** Between the beginning of renewal, at half of the lifetime, and expiry there must be time to try again. */
function checkLifetime({ spiffeId, x509TtlMs }: CallerIdentity): Finding | undefined {
  const ttlMs = Number(x509TtlMs);
  if (ttlMs / 2 >= RETRY_WINDOW_MS) return undefined;
  const message = `SVIDs of \`${spiffeId}\` live for ${formatDuration(ttlMs)}: after the renewal begins there are ${formatDuration(ttlMs / 2)}, less than the ${formatDuration(RETRY_WINDOW_MS)} that a restart of the authority may take`;
  return warning("lifetime", "ttl-too-short", message, `give the Workload a TTL of at least ${formatDuration(2 * RETRY_WINDOW_MS)}`);
}
