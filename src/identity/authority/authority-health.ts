/** Whether the authority can do its work: the same answer over gRPC and over HTTP. */
import { HealthStatus } from "../../grpc/health.ts";
import type { ServiceImplementation } from "../../grpc/service.ts";
import { messageOf } from "../../lib/error.ts";
import type { Authority } from "./authority.ts";

/** Why it cannot sign what it is there for; undefined when it can. */
export function authorityProblem({ authorities }: Authority): string | undefined {
  try {
    authorities.certificateSigner();
    for (const kind of ["jwt", "wit"] as const) authorities.tokenSigner(kind);
    return undefined;
  } catch (thrown) {
    return messageOf(thrown);
  }
}

/** For the servers on which these services are. An authority expires by the clock alone, so the answer is made when it is asked for too. */
export function authorityHealth(authority: Authority, services: readonly ServiceImplementation[]): ServiceImplementation {
  const tell = (): void => {
    const isServing = authorityProblem(authority) === undefined;
    for (const name of ["", ...services.map(({ service }) => service.typeName)]) health.set(name, isServing);
  };
  const health = new HealthStatus({ check: tell });
  tell();
  authority.onChange(tell);
  authority.authorities.onChange(tell);
  return health.service;
}
