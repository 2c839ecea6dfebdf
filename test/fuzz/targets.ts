import { accessFuzz } from "./access.ts";
import { celEvaluationFuzz } from "./cel.ts";
import { celFrontEndFuzz } from "./cel-front-end.ts";
import { dnsFuzz } from "./dns.ts";
import { grpcFuzz } from "./grpc.ts";
import { grpcServerFuzz } from "./grpc-server.ts";
import { identityFuzz } from "./identity.ts";
import { regexFuzz } from "./regex.ts";
import { signedIdentitiesFuzz } from "./signed-identities.ts";
import { spiffeFuzz } from "./spiffe.ts";
import type { FuzzTarget } from "./target.ts";
import { webhookFuzz } from "./webhook.ts";
import { yamlFuzz } from "./yaml.ts";

export const targets: readonly FuzzTarget[] = [
  regexFuzz,
  celFrontEndFuzz,
  celEvaluationFuzz,
  yamlFuzz,
  webhookFuzz,
  spiffeFuzz,
  signedIdentitiesFuzz,
  grpcServerFuzz,
  grpcFuzz,
  identityFuzz,
  accessFuzz,
  dnsFuzz,
];
