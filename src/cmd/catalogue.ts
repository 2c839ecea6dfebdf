/** Every command, in the order of the help. The rows are light: what a command works with is loaded when it runs. */
import type { Command } from "./command.ts";
import { breakGlassCommand } from "./commands/admission.ts";
import { celEvalCommand } from "./commands/cel-eval.ts";
import { checkCommand } from "./commands/check.ts";
import { completionCommand } from "./commands/completion.ts";
import { configShowCommand } from "./commands/config-show.ts";
import { deployWebhookCommand } from "./commands/deploy.ts";
import { eventsCommand, eventsWhyCommand } from "./commands/events.ts";
import { explainCommand } from "./commands/explain.ts";
import { flowsCommand } from "./commands/flows.ts";
import { identityAgentCommand, identityDoctorCommand, identityShowCommand } from "./commands/identity-agent.ts";
import { identityProxyCommand } from "./commands/identity-proxy.ts";
import { identityListCommand, identityMintCommand, identityRevokeCommand, identityRotateCommand } from "./commands/identity-registry.ts";
import { identityWatchCommand } from "./commands/identity-watch.ts";
import { kernelCleanCommand, kernelProbeCommand, kernelShowCommand } from "./commands/kernel.ts";
import {
  policyBenchCommand,
  policyConflictsCommand,
  policyExplainCommand,
  policyLintCommand,
  policyListCommand,
  policyReloadCommand,
  policyTestCommand,
} from "./commands/policy.ts";
import {
  profileDiffCommand,
  profileExportCommand,
  profileGenerateCommand,
  profileMergeCommand,
  profileRecordCommand,
  profileShowCommand,
  profileVerifyCommand,
} from "./commands/profile.ts";
import { runCommand } from "./commands/run.ts";
import { runtimeRulesCommand, runtimeTestCommand, runtimeTraceCommand, runtimeWatchCommand } from "./commands/runtime.ts";
import { statusCommand } from "./commands/status.ts";
import {
  trustActivateCommand,
  trustFederateCommand,
  trustPrepareCommand,
  trustRevokeCommand,
  trustShowCommand,
  trustTaintCommand,
  trustTokenCommand,
} from "./commands/trust.ts";
import { upCommand } from "./commands/up.ts";
import { versionCommand } from "./commands/version.ts";

export const CATALOGUE: readonly Command[] = [
  upCommand,
  statusCommand,
  checkCommand,
  policyListCommand,
  policyExplainCommand,
  policyLintCommand,
  policyConflictsCommand,
  policyTestCommand,
  policyBenchCommand,
  policyReloadCommand,
  identityShowCommand,
  identityDoctorCommand,
  eventsCommand,
  eventsWhyCommand,
  flowsCommand,
  runCommand,
  trustShowCommand,
  trustPrepareCommand,
  trustActivateCommand,
  trustTaintCommand,
  trustRevokeCommand,
  trustFederateCommand,
  trustTokenCommand,
  identityListCommand,
  identityMintCommand,
  identityRotateCommand,
  identityRevokeCommand,
  identityWatchCommand,
  identityProxyCommand,
  identityAgentCommand,
  profileRecordCommand,
  profileShowCommand,
  profileVerifyCommand,
  profileDiffCommand,
  profileMergeCommand,
  profileExportCommand,
  runtimeWatchCommand,
  runtimeTraceCommand,
  runtimeRulesCommand,
  runtimeTestCommand,
  profileGenerateCommand,
  explainCommand,
  kernelProbeCommand,
  kernelShowCommand,
  kernelCleanCommand,
  breakGlassCommand,
  deployWebhookCommand,
  celEvalCommand,
  configShowCommand,
  completionCommand,
  versionCommand,
];
