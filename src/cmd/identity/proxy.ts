/** `vigil identity proxy`. */
import { EXIT, type ExitCode, type Invocation } from "../command.ts";
import { formatAddress, parseListenAddress } from "../listen-address.ts";
import { createLog } from "../log.ts";
import { noteError } from "../notes.ts";
import { openIdentity } from "./open-identity.ts";
import { type ProxyOptions, type RunningProxy, startClientProxy, startHttpProxy, startTcpProxy } from "./proxy-server.ts";

export interface ProxyFlags {
  readonly listen: string | undefined;
  readonly to: string | undefined;
  readonly allow: readonly string[];
  readonly http: boolean;
  readonly connect: boolean;
  readonly identity: string | undefined;
  readonly socket: string | undefined;
  readonly "max-connections": number;
  readonly idle: number;
  readonly drain: number;
  readonly "tls-1.2": boolean;
}

export async function runProxy(invocation: Invocation, flags: ProxyFlags): Promise<ExitCode> {
  const { terminal } = invocation;
  const missing = (["listen", "to"] as const).find((name) => flags[name] === undefined);
  if (missing !== undefined || flags.allow.length === 0) {
    noteError(terminal, `\`--${missing ?? "allow"}\` is missing`, missing === undefined ? ALLOW_HINT : "see `vigil help identity proxy`");
    return EXIT.unable;
  }
  if (flags.http && flags.connect) {
    noteError(terminal, "`--http` and `--connect` exclude each other", "with `--connect` bytes are forwarded, HTTP among them");
    return EXIT.unable;
  }
  const signal = invocation.interruption();
  const log = createLog("identity proxy");
  const identity = await openIdentity(invocation, flags, {
    log,
    minVersion: flags["tls-1.2"] ? "TLSv1.2" : "TLSv1.3",
    onRefusal: (error) => log("warning", error.message, { code: error.code }),
  });
  try {
    const proxy = await start(flags, { identity, log }, signal);
    terminal.print(`${formatAddress(proxy.address)} → ${flags.to ?? ""}`);
    await proxy.stopped;
  } finally {
    identity.close();
  }
  return signal.reason === "SIGTERM" ? EXIT.yes : EXIT.interrupted;
}

const ALLOW_HINT = "nobody is allowed unless you say who: `--allow 'spiffe://TRUST-DOMAIN/**'` is a whole trust domain";

function start(flags: ProxyFlags, given: Pick<ProxyOptions, "identity" | "log">, signal: AbortSignal): Promise<RunningProxy> {
  const options: ProxyOptions = {
    ...given,
    listen: parseListenAddress(flags.listen ?? ""),
    to: parseListenAddress(flags.to ?? ""),
    allow: flags.allow,
    maxConnections: flags["max-connections"],
    idleMs: flags.idle,
    drainMs: flags.drain,
  };
  if (flags.connect) return startClientProxy(options, signal);
  return flags.http ? startHttpProxy(options, signal) : startTcpProxy(options, signal);
}
