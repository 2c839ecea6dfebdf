/**
 * The authority: each packet that a socket of a workload sends or receives. What a connection's first packet was allowed is remembered, so that
 * its later packets and its replies pass, until another policy set is in force: then the next packet decides again.
 */
import { type Code, cgroupPacketProgram, type ProgramSpec, type Scalar } from "../ebpf/index.ts";
import { passQuestions } from "./dns/redirect-programs.ts";
import { type ReportedFields, report } from "./flow-report.ts";
import { CONNECTION_KEY, DIRECTION_NUMBER, FLOW_KEY, HOOKS, type NetworkMaps, PROTOCOL_NUMBER } from "./kernel-maps.ts";
import { auditOf, DECISION, identify, type Lookups, saidOfBank } from "./lookups.ts";
import { parsePacket, TCP_FLAG } from "./packet-parts.ts";

const PASS = 1;
const DROP = 0;

/** After so long without a packet, what comes from the peer of a flow without connections is no reply any more. */
const REPLY_NS = 60_000_000_000n;

/** Of a remembered connection. */
const CONDITION = { open: 0, ended: 1, cut: 2 } as const;

type Direction = keyof typeof DIRECTION_NUMBER;

export function packetProgram(maps: NetworkMaps, asked: Lookups, direction: Direction): ProgramSpec {
  return cgroupPacketProgram(`vigil_${direction}`, { direction }, (code, context) => {
    const isEgress = direction === "egress";
    const state = code.globalValue(maps.state);
    const generation = code.let(state.get("generation"), "generation");
    code.if(generation.eq(0), () => code.return(PASS));
    const bank = code.let(generation.and(1), "bank");
    const levels = saidOfBank(code, maps, bank);
    const { cgroup, identity } = identify(code, asked, levels, bank, (level) => code.call("skb_ancestor_cgroup_id", context, level));
    // What other processes of this host send is looked at for one reason: they must not be taken for a workload that had their port.
    if (!isEgress) code.if(identity.eq(0), () => code.return(PASS));
    const packet = parsePacket(code, context, isEgress, () => {
      code.if(identity.eq(0), () => code.return(PASS));
      code.return(DROP);
    });
    const { ownHigh, ownLow, peerHigh, peerLow, ownPort, peerPort, protocol, port, tcpFlags } = packet;

    const isTcp = protocol.eq(PROTOCOL_NUMBER.tcp);
    /** SYN without ACK: a new connection, whatever is remembered of an older one. */
    const isOpening = isTcp.and(tcpFlags.and(TCP_FLAG.syn | TCP_FLAG.ack).eq(TCP_FLAG.syn));
    const flow = code.stack(FLOW_KEY, {
      sourceHigh: isEgress ? ownHigh : peerHigh,
      sourceLow: isEgress ? ownLow : peerLow,
      destinationHigh: isEgress ? peerHigh : ownHigh,
      destinationLow: isEgress ? peerLow : ownLow,
      sourcePort: isEgress ? ownPort : peerPort,
      destinationPort: isEgress ? peerPort : ownPort,
      protocol,
    });
    if (isEgress)
      code.if(identity.eq(0), () => {
        code.if(isOpening.or(isTcp.not()), () => {
          code.delete(maps.flows, flow);
        });
        code.return(PASS);
      });

    const key = code.stack(CONNECTION_KEY, { cgroup, ownHigh, ownLow, peerHigh, peerLow, ownPort, peerPort, protocol });
    const peerCgroup = code.variable(0, "peer cgroup");
    const initiator = code.variable(DIRECTION_NUMBER[direction], "initiator");
    const policyPort = code.variable(port, "policy port");
    const isKnown = code.variable(0, "known");
    const now = code.let(code.call("ktime_get_coarse_ns"), "now");
    const length = code.let(context.get("len"), "length");
    const peer = code.variable(0, "peer");
    const decision = code.variable(0, "decision");
    const sent = code.variable(isEgress ? length : 0, "sent");
    const received = code.variable(isEgress ? 0 : length, "received");
    const tell = (step: "begin" | "refused" | "end", verdict: Scalar | number): void =>
      report(code, maps, step, {
        generation,
        cgroup,
        peerCgroup,
        ownHigh,
        ownLow,
        peerHigh,
        peerLow,
        sent,
        received,
        identity,
        peerIdentity: peer,
        ground: decision.shr(32),
        pid: 0,
        ownPort,
        peerPort: reportedPort(peerPort, policyPort, protocol, code),
        protocol,
        direction: initiator,
        verdict,
        tcpFlags,
        hook: HOOKS.indexOf("packet"),
      } satisfies Record<ReportedFields, unknown>);

    code.if(protocol.ne(0).and(isOpening.not()), () =>
      code.ifNonNull(code.lookup(maps.connections, key), (entry) => {
        const isFresh = code.variable(1, "fresh");
        code.if(isTcp.not(), () => {
          code.if(
            entry
              .get("direction")
              .ne(DIRECTION_NUMBER[direction])
              // Another processor may have seen a later tick.
              .and(now.gt(entry.get("lastSeenNs").add(REPLY_NS))),
            () => code.assign(isFresh, 0),
          );
          // Without connections, another process may have taken the port; the flow says who sends now.
          if (!isEgress)
            code.if(entry.get("direction").eq(DIRECTION_NUMBER.ingress), () => {
              const sender = code.variable(0, "sender");
              code.ifNonNull(code.lookup(maps.flows, flow), (found) => code.assign(sender, found.value()));
              code.if(sender.ne(entry.get("peerCgroup")), () => code.assign(isFresh, 0));
            });
        });
        code.if(isFresh.ne(0), () => {
          code.assign(isKnown, 1);
          code.assign(peerCgroup, entry.get("peerCgroup"));
          code.assign(initiator, entry.get("direction"));
          code.assign(policyPort, entry.get("port"));
          entry.set("lastSeenNs", now);
          entry.increment(isEgress ? "sent" : "received", length);
          if (isEgress)
            code.if(isTcp.not().and(initiator.eq(DIRECTION_NUMBER.egress)), () => {
              code.update(maps.flows, flow, cgroup);
            });
          code.if(entry.get("generation").eq(generation), () => {
            code.if(entry.get("condition").eq(CONDITION.cut), () => code.return(DROP));
            code.if(isTcp.and(tcpFlags.hasAny(TCP_FLAG.fin | TCP_FLAG.rst)).and(entry.get("condition").eq(CONDITION.open)), () => {
              entry.set("condition", CONDITION.ended);
              code.assign(sent, entry.get("sent"));
              code.assign(received, entry.get("received"));
              tell("end", 1);
            });
            code.return(PASS);
          });
        });
      }),
    );

    passQuestions(code, context, maps, packet, isEgress, isOpening);

    /** Decides as if the flow had been begun in `from`. */
    const decideFrom = (from: Direction): void => {
      const where = code.let(code.callSubprogram(asked.address, peerHigh, peerLow, bank), "address");
      code.assign(peer, where.shr(32));
      code.if(isKnown.eq(0), () => {
        if (from === "egress")
          code.if(where.hasAny(1n << 31n), () => {
            const network = code.let(code.call("get_netns_cookie", context), "network");
            code.assign(peerCgroup, code.callSubprogram(asked.listener, network, peerHigh, peerLow, peerPort.shl(16).or(protocol)));
          });
        else if (!isEgress) code.ifNonNull(code.lookup(maps.flows, flow), (found) => code.assign(peerCgroup, found.value()));
      });
      code.if(peerCgroup.ne(0), () => {
        const found = code.let(code.callSubprogram(asked.identity, peerCgroup, bank), "found");
        code.if(found.ne(0), () => code.assign(peer, found));
      });
      const question = policyPort.shl(16).or(protocol.shl(8)).or(bank.shl(1)).or(DIRECTION_NUMBER[from]);
      code.assign(decision, code.callSubprogram(asked.decide, question, identity, peer, where.and(0x7fff_ffff)));
    };
    code.if(
      initiator.eq(DIRECTION_NUMBER.egress),
      () => decideFrom("egress"),
      () => decideFrom("ingress"),
    );
    // In the middle of a connection that is not remembered, nobody knows who began it: the peer, if policies allow that in so many words.
    code.if(isKnown.eq(0).and(isTcp).and(isOpening.not()).and(decision.and(DECISION.allowed).eq(0)), () => {
      const other: Direction = isEgress ? "ingress" : "egress";
      const first = { decision: code.let(decision), peer: code.let(peer), peerCgroup: code.let(peerCgroup) };
      code.assign(policyPort, isEgress ? ownPort : peerPort);
      code.assign(peerCgroup, 0);
      decideFrom(other);
      const isAllowed = DECISION.allowed | DECISION.governed;
      code.if(
        decision.and(isAllowed).eq(isAllowed),
        () => code.assign(initiator, DIRECTION_NUMBER[other]),
        () => {
          code.assign(decision, first.decision);
          code.assign(peer, first.peer);
          code.assign(peerCgroup, first.peerCgroup);
          code.assign(policyPort, port);
        },
      );
    });

    const verdict = code.variable(0, "verdict");
    code.if(decision.hasAny(DECISION.allowed), () => code.assign(verdict, 1));
    code.if(decision.hasAny(DECISION.audited).or(verdict.eq(0).and(auditOf(levels).ne(0))), () => code.assign(verdict, 2));
    code.if(verdict.eq(0), () => {
      code.if(isKnown.ne(0), () =>
        code.ifNonNull(code.lookup(maps.connections, key), (entry) => {
          entry.set("condition", CONDITION.cut);
          entry.set("generation", generation);
        }),
      );
      tell("refused", verdict);
      code.return(DROP);
    });
    if (isEgress)
      code.if(initiator.eq(DIRECTION_NUMBER.egress), () => {
        code.update(maps.flows, flow, cgroup);
      });
    code.if(isKnown.ne(0), () => {
      code.ifNonNull(code.lookup(maps.connections, key), (entry) => {
        code.if(entry.get("condition").eq(CONDITION.cut), () => entry.set("condition", CONDITION.open));
        entry.set("generation", generation);
      });
      code.return(PASS);
    });
    code.update(maps.connections, key, {
      generation,
      peerCgroup,
      direction: initiator,
      port: policyPort,
      condition: CONDITION.open,
      lastSeenNs: now,
      sent,
      received,
    });
    // What nobody has looked up is forgotten first when the map is full, although it is the newest: the answer would be refused.
    code.ifNonNull(code.lookup(maps.connections, key), () => {});
    tell("begin", verdict);
    code.return(PASS);
  });
}

/** ICMP has no ports: what is told is its type. */
function reportedPort(peerPort: Scalar, type: Scalar, protocol: Scalar, code: Code): Scalar {
  const told = code.variable(peerPort, "told port");
  code.if(protocol.ge(PROTOCOL_NUMBER.icmp), () => code.assign(told, type));
  return told;
}
