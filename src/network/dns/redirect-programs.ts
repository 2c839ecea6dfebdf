/**
 * Questions of workloads about whose names policies speak go to the DNS proxy, whichever resolver they mean: the destination is another one at
 * `connect` and `sendmsg`, and answers come from who was asked. Which resolver was meant is told with each question, in the order in which they
 * are sent.
 */
import {
  type AnyMemory,
  type Code,
  type Condition,
  type Memory,
  type ProgramSpec,
  type Scalar,
  type SocketAddress,
  socketAddressProgram,
  u16be,
  type Variable,
} from "../../ebpf/index.ts";
import { type NetworkMaps, PROTOCOL_NUMBER } from "../kernel-maps.ts";
import { IPV4_LOW, type Own } from "../lookups.ts";
import type { PacketParts } from "../packet-parts.ts";
import type { ProxyPlace } from "./dns-maps.ts";

const PASS = 1;
const DNS_PORT = 53;
const UDP_HEADER_BYTES = 8;

/** Halves of an address as they lie in memory. */
export interface Destination {
  readonly high: Variable;
  readonly low: Variable;
  readonly port: Scalar;
}

/** Sends a question of a client to the proxy and ends the program; goes on where it is none, or where nobody would read it. */
export function redirectQuestion(
  code: Code,
  context: Memory<SocketAddress>,
  { dns }: NetworkMaps,
  { cgroup }: Own,
  { high, low, port }: Destination,
  family: 4 | 6,
): void {
  code.if(port.eq(DNS_PORT), () => {
    const proxy = code.globalValue(dns.proxy);
    code.if(proxy.get("isOn").ne(0), () =>
      code.ifNonNull(code.lookup(dns.clients, cgroup), () => {
        const to = { high: code.variable(0), low: code.variable(proxy.get("low4")), port: code.variable(proxy.get("port4")) };
        if (family === 6)
          code.if(high.eq(0).and(low.and(0xffff_ffffn).eq(IPV4_LOW)).not(), () => {
            code.assign(to.high, proxy.get("high6"));
            code.assign(to.low, proxy.get("low6"));
            code.assign(to.port, proxy.get("port6"));
          });
        // Not where the proxy has no address of this family: then policies decide, as they do without a proxy.
        code.if(to.port.ne(0), () => {
          const cookie = code.let(code.call("get_socket_cookie", context), "cookie");
          code.update(dns.meant, cookie, { cgroup, high, low, port, zero: 0 });
          writeEnd(context, to, family);
          code.return(PASS);
        });
      }),
    );
  });
}

function writeEnd(context: Memory<SocketAddress>, { high, low, port }: { readonly [P in keyof Destination]: Scalar }, family: 4 | 6): void {
  if (family === 4) context.set("user_ip4", low.shr(32));
  else {
    const address = context.at("user_ip6");
    for (const [index, word] of [high.low32(), high.shr(32), low.low32(), low.shr(32)].entries()) address.element(index).setValue(word);
  }
  context.set("user_port", port.bigEndian(16));
}

/** The end that a hook is given, in halves. */
export function readEnd(code: Code, context: Memory<SocketAddress>, family: 4 | 6): Destination {
  const high = code.variable(0, "high");
  const low = code.variable(0, "low");
  if (family === 4) {
    code.assign(low, context.get("user_ip4").low32().shl(32).or(IPV4_LOW));
  } else {
    const word = (index: number): Scalar => context.at("user_ip6").element(index).value();
    code.assign(high, word(0).or(code.let(word(1), "word").shl(32)));
    code.assign(low, word(2).or(code.let(word(3), "word").shl(32)));
  }
  return { high, low, port: code.let(context.get("user_port").bigEndian(16), "port") };
}

/** Answers come from who was asked, for who receives them and for who asks for the other end of its socket. */
export function restoreProgram({ dns }: NetworkMaps, hook: "recvmsg" | "getpeername", family: 4 | 6): ProgramSpec {
  return socketAddressProgram(
    `vigil_${hook === "recvmsg" ? "recvmsg" : "peername"}${family}`,
    { hook: `${hook}${family}` },
    (code, context) => {
      const proxy = code.globalValue(dns.proxy);
      const from = readEnd(code, context, family);
      code.if(isProxy(proxy, from).not(), () => code.return(PASS));
      const cookie = code.let(code.call("get_socket_cookie", context), "cookie");
      code.ifNonNull(code.lookup(dns.meant, cookie), (meant) => {
        const [high, low, port] = [code.let(meant.get("high")), code.let(meant.get("low")), code.let(meant.get("port"))];
        writeEnd(context, { high, low, port }, family);
      });
      code.return(PASS);
    },
  );
}

const isProxy = (proxy: Memory<ProxyPlace>, { high, low, port }: Destination): Condition =>
  high
    .eq(0)
    .and(low.eq(proxy.get("low4")))
    .and(port.eq(proxy.get("port4")))
    .or(
      high
        .eq(proxy.get("high6"))
        .and(low.eq(proxy.get("low6")))
        .and(port.eq(proxy.get("port6"))),
    );

/** Packets between a socket that was sent to the proxy and the proxy pass: the questions in them are judged there. Goes on with others. */
export function passQuestions(
  code: Code,
  context: AnyMemory,
  { dns }: NetworkMaps,
  packet: PacketParts,
  isEgress: boolean,
  isOpening: Condition,
): void {
  const { ownHigh, ownLow, peerHigh, peerLow, ownPort, peerPort, protocol, transport } = packet;
  const proxy = code.globalValue(dns.proxy);
  const isOfDns = protocol.eq(PROTOCOL_NUMBER.udp).or(protocol.eq(PROTOCOL_NUMBER.tcp));
  code.if(
    proxy
      .get("isOn")
      .ne(0)
      .and(isOfDns)
      .and(isProxy(proxy, { high: peerHigh, low: peerLow, port: peerPort })),
    () => {
      const cookie = code.let(code.call("get_socket_cookie", context), "cookie");
      code.ifNonNull(code.lookup(dns.meant, cookie), (meant) => {
        if (isEgress) {
          const id = code.variable(0, "id");
          code.if(protocol.eq(PROTOCOL_NUMBER.udp), () => {
            const message = code.buffer(u16be);
            code.if(code.call("skb_load_bytes", context, transport.add(UDP_HEADER_BYTES), message).eq(0), () =>
              code.assign(id, message.value()),
            );
          });
          code.if(protocol.eq(PROTOCOL_NUMBER.udp).or(isOpening), () =>
            code.reserve(
              dns.asked,
              (record) => {
                record.set("cgroup", meant.get("cgroup"));
                record.set("ownHigh", ownHigh);
                record.set("ownLow", ownLow);
                record.set("meantHigh", meant.get("high"));
                record.set("meantLow", meant.get("low"));
                record.set("ownPort", ownPort);
                record.set("meantPort", meant.get("port"));
                record.set("protocol", protocol);
                record.set("id", id);
                record.submit();
              },
              () => code.ifNonNull(code.lookup(dns.askedLosses, 0), (count) => count.setValue(count.value().add(1))),
            ),
          );
        }
        code.return(PASS);
      });
    },
  );
}
