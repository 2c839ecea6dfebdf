/** Clients with `undici` and its `fetch`. The library is an argument: Vigil does not depend on it. */
import type { Socket } from "node:net";
import type { Connection } from "./connection.ts";
import { compilePeerRule } from "./peer-rule.ts";
import { plainUrlProblem } from "./plain-url.ts";
import { renewing } from "./renewing.ts";
import { type ClientOptions, withHeaders } from "./request-headers.ts";
import type { ServiceIdentity } from "./service-identity.ts";

/** What undici asks a connector for. */
interface UndiciTarget {
  readonly hostname: string;
  readonly protocol: string;
  readonly port: string;
  readonly servername?: string | undefined;
  readonly localAddress?: string | null | undefined;
  readonly httpSocket?: Socket | undefined;
}

type UndiciConnector = (
  options: UndiciTarget,
  callback: (...result: [error: Error, socket: null] | [error: null, socket: Socket]) => void,
) => void;

/** The part of `undici` that is needed: `import * as undici from "undici"`. */
export interface UndiciLibrary<A extends UndiciAgent> {
  // Method syntax: an agent takes further options, which stay as they are.
  readonly Agent: { new (options: { connect: UndiciConnector; allowH2: boolean }): A };
}

export interface UndiciAgent {
  dispatch(options: never, handler: never): boolean;
  close(): Promise<void>;
}

export interface DispatcherOptions extends ClientOptions {
  /** Also HTTP/2, where the server has it. */
  readonly allowH2?: boolean;
}

/**
 * A dispatcher for `fetch(url, { dispatcher })`, `request` and `setGlobalDispatcher`: an Agent of that library which presents the SVID of
 * the moment and talks to allowed peers alone. With each SVID it begins a new pool; requests on the old one finish.
 */
export function createUndiciDispatcher<A extends UndiciAgent>(
  identity: ServiceIdentity,
  { Agent }: UndiciLibrary<A>,
  { allow, headers, allowH2 = false }: DispatcherOptions,
): A {
  const isAllowed = compilePeerRule(allow);
  const connectWith =
    (retire: () => void): UndiciConnector =>
    (target, callback) => {
      void connectTo(target).then(
        ({ connection, socket }) => {
          connection.onDrain(retire);
          callback(null, socket);
        },
        (error: Error) => callback(error, null),
      );
    };
  const connectTo = async (target: UndiciTarget): Promise<{ readonly connection: Connection; readonly socket: Socket }> => {
    const { hostname, protocol, port, servername, localAddress, httpSocket } = target;
    const problem = plainUrlProblem(protocol);
    if (problem !== undefined) throw problem;
    const connection = await identity.connect(
      {
        host: hostname.replace(/^\[(.*)\]$/, "$1"),
        port: Number(port || 443),
        alpnProtocols: allowH2 ? ["h2", "http/1.1"] : ["http/1.1"],
        ...(typeof servername === "string" && servername !== "" ? { servername } : {}),
        ...(typeof localAddress === "string" ? { localAddress } : {}),
        ...(httpSocket === undefined ? {} : { socket: httpSocket }),
      },
      isAllowed,
    );
    return { connection, socket: connection.socket };
  };
  return renewing(identity, {
    create: (retire) => {
      const agent = new Agent({ connect: connectWith(retire), allowH2 });
      if (headers === undefined) return agent;
      const dispatch = agent.dispatch.bind(agent) as (options: object, handler: unknown) => boolean;
      const carrying = (options: { readonly headers?: unknown }, handler: unknown): boolean =>
        dispatch({ ...options, headers: withHeaders(options.headers, headers()) }, handler);
      Object.defineProperty(agent, "dispatch", { value: carrying });
      return agent;
    },
    // One that the user has destroyed is closed already.
    retire: (agent) => void agent.close().catch(() => {}),
  });
}
