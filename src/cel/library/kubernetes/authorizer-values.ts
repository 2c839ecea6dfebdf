/** The values of Kubernetes' authorizer functions: an authorizer on behalf of a subject, and checks of resources. */
import { type CelType, opaqueType } from "../../type.ts";
import type { CelError } from "../../value.ts";
import { Handle } from "../handle.ts";

export const AUTHORIZER: CelType = opaqueType("kubernetes.authorization.Authorizer");
export const PATH_CHECK: CelType = opaqueType("kubernetes.authorization.PathCheck");
export const GROUP_CHECK: CelType = opaqueType("kubernetes.authorization.GroupCheck");
export const RESOURCE_CHECK: CelType = opaqueType("kubernetes.authorization.ResourceCheck");
export const DECISION: CelType = opaqueType("kubernetes.authorization.Decision");

/** Who asks. */
export interface Subject {
  readonly username: string;
  readonly groups: readonly string[];
}

/** A resource as an authorizer looks at it; empty strings for what does not apply. */
export interface AccessedResource {
  readonly group: string;
  readonly resource: string;
  readonly subresource: string;
  readonly namespace: string;
  readonly name: string;
  /** As written in the expression; one that does not parse restricts nothing. */
  readonly fieldSelector: string;
  readonly labelSelector: string;
}

/** What is asked: may the subject do this with the path, or with the resource? */
export type AccessRequest =
  | { readonly kind: "path"; readonly subject: Subject; readonly path: string; readonly verb: string }
  | { readonly kind: "resource"; readonly subject: Subject; readonly resource: AccessedResource; readonly verb: string };

export interface AccessDecision {
  readonly decision: "allow" | "deny" | "no-opinion";
  readonly reason: string;
  /** Why the authorizer could not tell, or null. */
  readonly error: string | null;
}

/** Answers at once; `CEL_UNAVAILABLE` when the answer was not fetched beforehand. */
export interface Authorizer {
  decide(request: AccessRequest): AccessDecision | CelError;
}

export interface AuthorizerContent {
  readonly authorizer: Authorizer;
  readonly subject: Subject;
}

export interface ResourceCheckContent extends AuthorizerContent {
  readonly resource: AccessedResource;
}

/** The value of the variable `authorizer`: asks `authorizer` on behalf of `subject`. */
export const authorizerValue = (authorizer: Authorizer, subject: Subject): Handle<AuthorizerContent> =>
  new Handle(AUTHORIZER, { authorizer, subject });

/** The value of the variable `authorizer.requestResource`: a check of the resource that is being admitted. */
export const resourceCheckValue = (authorizer: Authorizer, subject: Subject, resource: AccessedResource): Handle<ResourceCheckContent> =>
  new Handle(RESOURCE_CHECK, { authorizer, subject, resource });
