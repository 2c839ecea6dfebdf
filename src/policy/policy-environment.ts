import { createEnvironment, type Environment } from "../cel/environment.ts";
import { type KyvernoOptions, kubernetesLibraries, kyvernoLibraries } from "../cel/library/catalogue.ts";
import { AUTHORIZER, RESOURCE_CHECK } from "../cel/library/kubernetes/authorizer-values.ts";
import { GLOBAL_CONTEXT } from "../cel/library/kyverno/global-context.ts";
import { HTTP_CONTEXT } from "../cel/library/kyverno/http.ts";
import { IMAGE_DATA_CONTEXT } from "../cel/library/kyverno/image-data.ts";
import { RESOURCE_CONTEXT } from "../cel/library/kyverno/resource.ts";
import { type CelType, DYN } from "../cel/type.ts";
import { declaredTypes, EXCEPTION, NAMESPACE, REQUEST, VARIABLES } from "./policy-declarations.ts";

/** What the expressions of each kind of policy may use. Environments are made when first needed, and shared. */
export interface PolicyEnvironments {
  /** Kubernetes' own policies; `params` is declared when the policy has a paramKind. */
  kubernetes(options: { readonly mutation: boolean; readonly hasParams: boolean }): Environment;
  /** Kyverno's; a namespaced policy's functions stay inside its namespace. */
  kyverno(options: { readonly mutation: boolean; readonly namespace: string | undefined }): Environment;
}

const BASE_VARIABLES: Readonly<Record<string, CelType>> = {
  object: DYN,
  oldObject: DYN,
  request: REQUEST,
  namespaceObject: NAMESPACE,
  variables: VARIABLES,
};

export function createPolicyEnvironments(options: Omit<KyvernoOptions, "namespace">): PolicyEnvironments {
  const made = new Map<string, Environment>();
  const once = (key: string, make: () => Environment): Environment => {
    const environment = made.get(key) ?? make();
    made.set(key, environment);
    return environment;
  };
  return {
    kubernetes: ({ mutation, hasParams }) =>
      once(`kubernetes ${mutation} ${hasParams}`, () =>
        createEnvironment({
          libraries: kubernetesLibraries,
          types: declaredTypes("kubernetes", mutation),
          variables: {
            ...BASE_VARIABLES,
            ...(hasParams ? { params: DYN } : {}),
            authorizer: AUTHORIZER,
            "authorizer.requestResource": RESOURCE_CHECK,
          },
        }),
      ),
    kyverno: ({ mutation, namespace }) =>
      once(`kyverno ${mutation} ${namespace ?? ""}`, () =>
        createEnvironment({
          libraries: kyvernoLibraries(namespace === undefined ? options : { ...options, namespace }),
          types: declaredTypes("kyverno", mutation),
          variables: {
            ...BASE_VARIABLES,
            exceptions: EXCEPTION,
            resource: RESOURCE_CONTEXT,
            http: HTTP_CONTEXT,
            globalContext: GLOBAL_CONTEXT,
            image: IMAGE_DATA_CONTEXT,
          },
        }),
      ),
  };
}
