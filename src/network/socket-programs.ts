/**
 * Programs in the process that acts. At `connect` a refusal is an error at once, with the process named; packets decide again. Only TCP is
 * refused here: a UDP socket that connects or sends to a peer may be answering it, which the packet's program knows. Raw sockets of workloads
 * are refused when they are made, since no other program sees what they send.
 */
import {
  type Code,
  type Condition,
  type Memory,
  type ProgramSpec,
  type Scalar,
  type SocketAddress,
  type SocketAddressHook,
  type SocketHook,
  socketAddressProgram,
  socketProgram,
} from "../ebpf/index.ts";
import { type Destination, readEnd, redirectQuestion } from "./dns/redirect-programs.ts";
import { report } from "./flow-report.ts";
import { DIRECTION_NUMBER, HOOKS, LISTENER_KEY, type NetworkMaps, PROTOCOL_NUMBER } from "./kernel-maps.ts";
import {
  ADDRESS_UNKNOWN,
  auditOf,
  currentAncestor,
  DECISION,
  IPV4_LOW,
  identify,
  LOOPBACK4,
  LOOPBACK6_LOW,
  type Lookups,
  type Own,
  saidOfBank,
} from "./lookups.ts";

const IPPROTO = { tcp: 6, udp: 17 } as const;
const SOCK_RAW = 3;
const PASS = 1;
const REFUSE = 0;

interface Acting extends Own {
  readonly generation: Scalar;
  readonly bank: Scalar;
  readonly isAudit: Scalar;
}

/** Who acts; ends the program where no set is in force or no workload acts. */
function actingWorkload(code: Code, maps: NetworkMaps, asked: Lookups): Acting {
  const state = code.globalValue(maps.state);
  const generation = code.let(state.get("generation"), "generation");
  code.if(generation.eq(0), () => code.return(PASS));
  const bank = code.let(generation.and(1), "bank");
  const levels = saidOfBank(code, maps, bank);
  const own = identify(code, asked, levels, bank, currentAncestor(code));
  code.if(own.identity.eq(0), () => code.return(PASS));
  return { ...own, generation, bank, isAudit: code.let(auditOf(levels), "audit") };
}

/** What is not specified means this host. */
function meantHost(code: Code, end: Destination): Destination {
  code.if(end.high.eq(0), () => {
    code.if(end.low.eq(IPV4_LOW), () => code.assign(end.low, end.low.or(LOOPBACK4 << 32n)));
    code.if(end.low.eq(0), () => code.assign(end.low, LOOPBACK6_LOW));
  });
  return end;
}

export function connectProgram(maps: NetworkMaps, asked: Lookups, family: 4 | 6): ProgramSpec {
  const hook: SocketAddressHook = family === 4 ? "connect4" : "connect6";
  return socketAddressProgram(`vigil_${hook}`, { hook }, (code, context) => {
    const isTcp = context.get("protocol").eq(IPPROTO.tcp);
    code.if(isTcp.not().and(isQuestion(context).not()), () => code.return(PASS));
    const acting = actingWorkload(code, maps, asked);
    const { cgroup, identity, generation, bank, isAudit } = acting;
    const { high, low, port } = meantHost(code, readEnd(code, context, family));
    redirectQuestion(code, context, maps, acting, { high, low, port }, family);
    code.if(isTcp.not(), () => code.return(PASS));
    const address = code.let(code.callSubprogram(asked.address, high, low, bank), "address");
    const peer = code.variable(address.shr(32), "peer");
    const peerCgroup = code.variable(0, "peer cgroup");
    code.if(address.hasAny(1n << 31n), () => {
      const network = code.let(code.call("get_netns_cookie", context), "network");
      code.assign(peerCgroup, code.callSubprogram(asked.listener, network, high, low, port.shl(16).or(PROTOCOL_NUMBER.tcp)));
      const found = code.let(code.callSubprogram(asked.identity, peerCgroup, bank), "found");
      code.if(found.ne(0), () => code.assign(peer, found));
    });
    const question = port
      .shl(16)
      .or(PROTOCOL_NUMBER.tcp << 8)
      .or(bank.shl(1))
      .or(DIRECTION_NUMBER.egress);
    const decision = code.variable(code.callSubprogram(asked.decide, question, identity, peer, address.and(0x7fff_ffff)), "decision");
    const direction = code.variable(DIRECTION_NUMBER.egress, "direction");
    // The destination will say no: the source hears it now, unless that depends on an address which the kernel has not chosen yet.
    code.if(decision.hasAny(DECISION.allowed).and(peer.ne(0)), () => {
      const reversed = question.or(ADDRESS_UNKNOWN | DIRECTION_NUMBER.ingress);
      const answer = code.let(code.callSubprogram(asked.decide, reversed, peer, identity, 0), "answer");
      code.if(answer.and(DECISION.allowed).eq(0), () => {
        code.assign(decision, answer);
        code.assign(direction, DIRECTION_NUMBER.ingress);
      });
    });
    // Packets tell of what is allowed, or would be but for the audit.
    code.if(decision.hasAny(DECISION.allowed).or(isAudit.ne(0)), () => code.return(PASS));
    report(code, maps, "refused", {
      generation,
      cgroup,
      peerCgroup,
      identity,
      peerIdentity: peer,
      ownHigh: 0,
      ownLow: 0,
      peerHigh: high,
      peerLow: low,
      ownPort: 0,
      peerPort: port,
      protocol: PROTOCOL_NUMBER.tcp,
      direction,
      verdict: 0,
      ground: decision.shr(32),
      pid: code.call("get_current_pid_tgid").shr(32),
      sent: 0,
      received: 0,
      tcpFlags: 0,
      hook: HOOKS.indexOf("connect"),
    });
    code.return(REFUSE);
  });
}

const DNS_PORT_ON_WIRE = 53 << 8;
/** By UDP, to a resolver. */
const isQuestion = (context: Memory<SocketAddress>): Condition =>
  context.get("protocol").eq(IPPROTO.udp).and(context.get("user_port").eq(DNS_PORT_ON_WIRE));

/** Sockets that are not connected say with each message where it goes. */
export function sendProgram(maps: NetworkMaps, asked: Lookups, family: 4 | 6): ProgramSpec {
  return socketAddressProgram(`vigil_sendmsg${family}`, { hook: `sendmsg${family}` }, (code, context) => {
    code.if(isQuestion(context).not(), () => code.return(PASS));
    const acting = actingWorkload(code, maps, asked);
    const end = readEnd(code, context, family);
    redirectQuestion(code, context, maps, acting, meantHost(code, end), family);
    code.return(PASS);
  });
}

/** Raw sockets would send what they like. */
export function createProgram(maps: NetworkMaps, asked: Lookups): ProgramSpec {
  return socketProgram("vigil_create", { hook: "create" }, (code, context) => {
    code.if(context.get("type").ne(SOCK_RAW), () => code.return(PASS));
    const { cgroup, identity, generation, isAudit } = actingWorkload(code, maps, asked);
    const verdict = code.variable(0, "verdict");
    code.if(isAudit.ne(0), () => code.assign(verdict, 2));
    report(code, maps, "refused", {
      generation,
      cgroup,
      identity,
      peerCgroup: 0,
      peerIdentity: 0,
      ownHigh: 0,
      ownLow: 0,
      peerHigh: 0,
      peerLow: 0,
      ownPort: 0,
      peerPort: 0,
      protocol: 0,
      direction: DIRECTION_NUMBER.egress,
      verdict,
      ground: 0,
      pid: code.call("get_current_pid_tgid").shr(32),
      sent: 0,
      received: 0,
      tcpFlags: 0,
      hook: HOOKS.indexOf("socket"),
    });
    code.if(verdict.eq(0), () => code.return(REFUSE));
    code.return(PASS);
  });
}

/** Remembers where workloads listen: peers on this host are known by that, since they share its addresses. */
export function bindProgram(maps: NetworkMaps, asked: Lookups, family: 4 | 6): ProgramSpec {
  const hook: SocketHook = family === 4 ? "postBind4" : "postBind6";
  return socketProgram(`vigil_bind${family}`, { hook }, (code, context) => {
    const protocol = code.variable(0, "protocol");
    code.if(context.get("protocol").eq(IPPROTO.tcp), () => code.assign(protocol, PROTOCOL_NUMBER.tcp));
    code.if(context.get("protocol").eq(IPPROTO.udp), () => code.assign(protocol, PROTOCOL_NUMBER.udp));
    code.if(protocol.eq(0), () => code.return(PASS));
    const { cgroup } = actingWorkload(code, maps, asked);
    const key = code.stack(LISTENER_KEY, {
      network: code.call("get_netns_cookie", context),
      high: 0,
      low: 0,
      port: context.get("src_port"),
      protocol,
      zero: 0,
    });
    if (family === 4) {
      key.set("low", context.get("src_ip4").low32().shl(32).or(IPV4_LOW));
    } else {
      const word = (index: number): Scalar => context.at("src_ip6").element(index).value();
      key.set("high", word(0).or(code.let(word(1), "word").shl(32)));
      key.set("low", word(2).or(code.let(word(3), "word").shl(32)));
    }
    const cookie = code.let(code.call("get_socket_cookie", context), "cookie");
    code.update(maps.listeners, key, { cgroup, cookie });
    code.update(maps.bound, cookie, key);
    code.return(PASS);
  });
}

/** Forgets where a socket listened, unless another one has taken its place. */
export function releaseProgram({ bound, listeners }: NetworkMaps): ProgramSpec {
  return socketProgram("vigil_release", { hook: "release" }, (code, context) => {
    const cookie = code.let(code.call("get_socket_cookie", context), "cookie");
    code.ifNonNull(code.lookup(bound, cookie), (where) => {
      const key = code.stack(LISTENER_KEY);
      key.copyFrom(where);
      code.ifNonNull(code.lookup(listeners, key), (found) =>
        code.if(found.get("cookie").eq(cookie), () => {
          code.delete(listeners, key);
        }),
      );
      code.delete(bound, cookie);
    });
    code.return(PASS);
  });
}
