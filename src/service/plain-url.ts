import { ServiceError } from "./service-error.ts";

/** A client that is asked for another protocol than https would send without any proof of who receives. */
export const plainUrlProblem = (protocol: string | undefined): ServiceError | undefined =>
  protocol === "https:"
    ? undefined
    : new ServiceError("SERVICE_PLAIN_URL", `expected a URL that begins with \`https:\`, got \`${protocol ?? ""}\``, {
        hint: "mutual TLS needs https; use another client for plain connections",
      });
