/**
 * Kubernetes' authorizer functions (apiserver pkg/cel/library/authz.go), since Kubernetes 1.27, with the selectors of 1.31:
 * `authorizer.group('apps').resource('deployments').namespace('default').check('create').allowed()`.
 */
import type { CallCost, FunctionDeclaration, Library } from "../../declaration.ts";
import { costSize, LIST_COST, STRUCT_COST } from "../../runtime/cost.ts";
import { BOOL, STRING } from "../../type.ts";
import { CelError, type CelValue } from "../../value.ts";
import { fixedCost, plus, range, scaled, TRAVERSAL_FACTOR, UNBOUNDED } from "../cost.ts";
import { declare, fail, method, opaque, type Parameter, string } from "../define.ts";
import { Handle } from "../handle.ts";
import {
  type AccessDecision,
  type AccessedResource,
  type AccessRequest,
  AUTHORIZER,
  type AuthorizerContent,
  authorizerValue,
  DECISION,
  GROUP_CHECK,
  PATH_CHECK,
  RESOURCE_CHECK,
  type ResourceCheckContent,
  resourceCheckValue,
} from "./authorizer-values.ts";
import { checkDns1123Label, checkDns1123Subdomain } from "./named-formats.ts";

type PathCheck = Handle<AuthorizerContent & { readonly path: string }>;
type GroupCheck = Handle<AuthorizerContent & { readonly group: string }>;

const authorizer: Parameter<Handle<AuthorizerContent>> = opaque(AUTHORIZER);
const pathCheck: Parameter<PathCheck> = opaque(PATH_CHECK);
const groupCheck: Parameter<GroupCheck> = opaque(GROUP_CHECK);
const resourceCheck: Parameter<Handle<ResourceCheckContent>> = opaque(RESOURCE_CHECK);
const decision: Parameter<Handle<AccessDecision>> = opaque(DECISION);

const UNIT = fixedCost(1);
/** Kubernetes lets an expression ask twice, by its limit of 1,000,000. */
const CHECK = fixedCost(350_000);
const COST_PER_REQUIREMENT = LIST_COST + STRUCT_COST;
/** The shortest requirement, `k,`, has two characters. */
const REQUIREMENTS_PER_CHARACTER = 0.5;

const selectorCost: CallCost = {
  actual: ([, selector = ""]) => selectorUnits(range(costSize(selector))).max,
  estimate: ([, size = UNBOUNDED]) => ({ cost: selectorUnits(size) }),
};

const selectorUnits = (size: { min: number; max: number }): { min: number; max: number } =>
  plus(range(LIST_COST), plus(scaled(size, TRAVERSAL_FACTOR), scaled(scaled(size, REQUIREMENTS_PER_CHARACTER), COST_PER_REQUIREMENT)));

function serviceAccount({ content }: Handle<AuthorizerContent>, namespace: string, name: string): CelValue {
  if (checkDns1123Subdomain(name).length > 0) return fail("invalid service account name");
  if (checkDns1123Label(namespace).length > 0) return fail("invalid service account namespace");
  const groups = ["system:serviceaccounts", `system:serviceaccounts:${namespace}`];
  return authorizerValue(content.authorizer, { username: `system:serviceaccount:${namespace}:${name}`, groups });
}

const path = ({ content }: Handle<AuthorizerContent>, text: string): CelValue =>
  text.trim() === "" ? fail("the path must not be empty") : new Handle(PATH_CHECK, { ...content, path: text });

const group = ({ content }: Handle<AuthorizerContent>, name: string): CelValue => new Handle(GROUP_CHECK, { ...content, group: name });

const NO_RESOURCE: AccessedResource = {
  group: "",
  resource: "",
  subresource: "",
  namespace: "",
  name: "",
  fieldSelector: "",
  labelSelector: "",
};

function resource({ content }: GroupCheck, name: string): CelValue {
  if (name.trim() === "") return fail("the resource must not be empty");
  return resourceCheckValue(content.authorizer, content.subject, { ...NO_RESOURCE, group: content.group, resource: name });
}

function ask({ authorizer: asked }: AuthorizerContent, request: AccessRequest): CelValue {
  const outcome = asked.decide(request);
  return outcome instanceof CelError ? outcome : new Handle(DECISION, outcome);
}

const checkPath = ({ content }: PathCheck, verb: string): CelValue =>
  ask(content, { kind: "path", subject: content.subject, path: content.path, verb });

const checkResource = ({ content }: Handle<ResourceCheckContent>, verb: string): CelValue =>
  ask(content, { kind: "resource", subject: content.subject, resource: content.resource, verb });

/** A function that narrows a check by one attribute. */
const narrowing = (name: keyof AccessedResource, id: string, description: string, cost: CallCost = UNIT): FunctionDeclaration =>
  declare(
    name,
    description,
    method(
      id,
      [resourceCheck, string],
      RESOURCE_CHECK,
      ({ content }, value) => new Handle(RESOURCE_CHECK, { ...content, resource: { ...content.resource, [name]: value } }),
      cost,
    ),
  );

const boolOf = (name: string, description: string, read: (outcome: AccessDecision) => boolean): FunctionDeclaration =>
  declare(
    name,
    description,
    method(`decision_${name}`, [decision], BOOL, ({ content }) => read(content), UNIT),
  );

const textOf = (name: string, description: string, read: (outcome: AccessDecision) => string): FunctionDeclaration =>
  declare(
    name,
    description,
    method(`decision_${name}`, [decision], STRING, ({ content }) => read(content), UNIT),
  );

const functions: readonly FunctionDeclaration[] = [
  declare(
    "path",
    "A check of a path that is no resource, such as `/healthz`.",
    method("authorizer_path", [authorizer, string], PATH_CHECK, path, UNIT),
  ),
  declare(
    "group",
    "A check of resources of an API group, the empty string for the core group.",
    method("authorizer_group", [authorizer, string], GROUP_CHECK, group, UNIT),
  ),
  declare(
    "serviceAccount",
    "The authorizer for a service account, by namespace and name, instead of the user of the request.",
    method("authorizer_serviceaccount", [authorizer, string, string], AUTHORIZER, serviceAccount, UNIT),
  ),
  declare(
    "resource",
    "A check of a resource, by its plural.",
    method("groupcheck_resource", [groupCheck, string], RESOURCE_CHECK, resource, UNIT),
  ),
  narrowing("subresource", "resourcecheck_subresource", "The check of a subresource."),
  narrowing("namespace", "resourcecheck_namespace", "The check in a namespace."),
  narrowing("name", "resourcecheck_name", "The check of one object, by its name."),
  narrowing("fieldSelector", "authorizer_fieldselector", "The check of objects that a field selector selects.", selectorCost),
  narrowing("labelSelector", "authorizer_labelselector", "The check of objects that a label selector selects.", selectorCost),
  declare(
    "check",
    "The decision whether a verb is allowed.",
    method("pathcheck_check", [pathCheck, string], DECISION, checkPath, CHECK),
    method("resourcecheck_check", [resourceCheck, string], DECISION, checkResource, CHECK),
  ),
  boolOf("allowed", "Whether the decision is to allow.", (outcome) => outcome.decision === "allow"),
  textOf("reason", "The reason of the decision, or the empty string.", (outcome) => outcome.reason),
  boolOf("errored", "Whether the decision could not be made.", (outcome) => outcome.error !== null),
  textOf("error", "Why the decision could not be made, or the empty string.", (outcome) => outcome.error ?? ""),
];

export const authorizerLibrary: Library = { name: "kubernetes.authorizer", functions };
