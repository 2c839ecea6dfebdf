/** Programs for each kind of hook. A program is generated once, for the kernel whose BTF it is given, and is plain data from then on. */
import { assemble } from "../assembler/assemble.ts";
import * as form from "../assembler/instructions.ts";
import type { Btf } from "../btf/btf.ts";
import { iteratorOf, tracepointOf } from "../btf/kernel-name.ts";
import type { BtfParameter } from "../btf/type.ts";
import type { SourcePosition } from "../instruction.ts";
import type { Layout } from "../layout.ts";
import { checkObjectName } from "../map-spec.ts";
import { type AttachTarget, type AttachType, mapsOf, type ProgramSpec, type ProgramType } from "../program-spec.ts";
import { callSite } from "./call-site.ts";
import { Code } from "./code.ts";
import {
  DEVICE,
  type Device,
  PACKET_BUFFER,
  type PacketBuffer,
  SOCKET,
  SOCKET_ADDRESS,
  SOCKET_LOOKUP,
  SOCKET_OPERATION,
  SOCKET_OPTION,
  type Socket,
  type SocketAddress,
  type SocketLookup,
  type SocketOperation,
  type SocketOption,
  SYSCTL,
  type Sysctl,
  XDP_PACKET,
  type XdpPacket,
} from "./context.ts";
import { type Expression, Scalar } from "./expression.ts";
import { KernelPointer } from "./kernel-pointer.ts";
import { Memory } from "./memory.ts";
import { Nullable } from "./nullable.ts";
import { type Subprogram, Unit } from "./unit.ts";

/** What all programs may say. */
export interface ProgramOptions {
  /** The kernel's types; programs that name none of them need none. */
  readonly btf?: Btf | undefined;
  /** `Dual MIT/GPL` unless another is given; what is not compatible with the GPL may not call many functions. */
  readonly license?: string;
}

interface Shape extends ProgramOptions {
  readonly type: ProgramType;
  readonly expectedAttachType?: AttachType;
  readonly attachTo?: AttachTarget;
  readonly flags?: number;
  /** What a path returns that ends without `return`; such paths are refused when it is absent. */
  readonly result?: number;
}

const CONTEXT_REGISTER = 6;

/** A program of any type; `body` is given the context as an expression of its address. */
function createProgram(name: string, shape: Shape, body: (code: Code, context: Expression) => void): ProgramSpec {
  const source: SourcePosition = callSite();
  const unit = new Unit(shape.btf);
  const code = new Code(unit, "main", [7, 8, 9], source);
  const context: Expression = {
    kind: "home",
    home: { kind: "register", register: CONTEXT_REGISTER, block: { isOpen: true }, name: "context" },
  };
  code.emitter.emit(form.commented("context", form.move(CONTEXT_REGISTER, { register: 1 })));
  body(code, context);
  code.finish(shape.result);
  const instructions = assemble(unit.link(code));
  const { type, expectedAttachType, attachTo, license = "Dual MIT/GPL", flags } = shape;
  return {
    name: checkObjectName(name),
    type,
    ...(expectedAttachType === undefined ? {} : { expectedAttachType }),
    ...(attachTo === undefined ? {} : { attachTo }),
    license,
    instructions,
    ...(flags === undefined ? {} : { flags }),
    maps: mapsOf(instructions),
  };
}

/** A program with a context of one layout. */
function contextProgram<T>(name: string, layout: Layout<T>, shape: Shape, body: (code: Code, context: Memory<T>) => void): ProgramSpec {
  return createProgram(name, shape, (code, base) => body(code, new Memory(code, layout, base, { kind: "context" })));
}

/** What a tracepoint or an iterator gives, by the names that the kernel has for it. */
export class KernelArguments {
  readonly #btf: Btf;
  readonly #parameters: readonly BtfParameter[];
  readonly #context: Expression;

  constructor(btf: Btf, parameters: readonly BtfParameter[], context: Expression) {
    this.#btf = btf;
    this.#parameters = parameters;
    this.#context = context;
  }

  /** The names, in order. */
  get names(): readonly string[] {
    return this.#parameters.map(({ name }) => name);
  }

  /** The context itself, for functions of the kernel that take it. */
  get context(): KernelPointer {
    return new KernelPointer(this.#btf, 0, this.#context);
  }

  /** A number. */
  scalar(name: string | number): Scalar {
    return new Scalar(this.#load(name).load);
  }

  /** A pointer to a struct. */
  pointer<To extends string = string>(name: string | number): KernelPointer<To> {
    const { load, type } = this.#load(name);
    return new KernelPointer<To>(this.#btf, this.#structBehind(type, name), load);
  }

  /** A pointer to a struct that may be absent, as at the end of what an iterator goes through. */
  nullable<To extends string = string>(name: string | number): Nullable<KernelPointer<To>> {
    const { load, type } = this.#load(name);
    const struct = this.#structBehind(type, name);
    return new Nullable(load, (base) => new KernelPointer<To>(this.#btf, struct, base));
  }

  #structBehind(type: number, name: string | number): number {
    const pointer = this.#btf.type(this.#btf.resolve(type));
    if (pointer.kind !== "pointer") throw new TypeError(`expected \`${name}\` to be a pointer, got ${pointer.kind}`);
    return this.#btf.resolve(pointer.type);
  }

  #load(name: string | number): { readonly load: Expression; readonly type: number } {
    const index = typeof name === "number" ? name : this.names.indexOf(name);
    const parameter = this.#parameters[index];
    if (parameter === undefined) throw new TypeError(`expected one of ${this.names.join(", ")}, got \`${name}\``);
    const comment = parameter.name === "" ? `argument ${index}` : parameter.name;
    const load: Expression = {
      kind: "load",
      base: this.#context,
      offset: 8 * index,
      width: 8,
      isSigned: false,
      isBigEndian: false,
      comment,
    };
    return { load, type: parameter.type };
  }
}

interface KernelOptions extends ProgramOptions {
  readonly btf: Btf;
}

/** On a tracepoint of the kernel, with its arguments as they are typed there (`tp_btf`). Paths without `return` return 0. */
export function tracepointProgram(
  name: string,
  options: KernelOptions & { readonly tracepoint: string },
  body: (code: Code, args: KernelArguments) => void,
): ProgramSpec {
  const { target, parameters } = tracepointOf(options.btf, options.tracepoint);
  const shape: Shape = { ...options, type: "tracing", expectedAttachType: "trace_raw_tp", attachTo: target, result: 0 };
  return createProgram(name, shape, (code, context) => body(code, new KernelArguments(options.btf, parameters, context)));
}

/** For each thing that the kernel has of a kind, as `task`, `task_file` or `tcp` (`iter`). Paths without `return` return 0. */
export function iteratorProgram(
  name: string,
  options: KernelOptions & { readonly iterator: string },
  body: (code: Code, args: KernelArguments) => void,
): ProgramSpec {
  const { target, parameters } = iteratorOf(options.btf, options.iterator);
  const shape: Shape = { ...options, type: "tracing", expectedAttachType: "trace_iter", attachTo: target, result: 0 };
  return createProgram(name, shape, (code, context) => body(code, new KernelArguments(options.btf, parameters, context)));
}

/** On a tracepoint by the format that tracefs describes, without BTF. Paths without `return` return 0. */
export function formatTracepointProgram<T>(
  name: string,
  options: ProgramOptions & { readonly format: Layout<T> },
  body: (code: Code, context: Memory<T>) => void,
): ProgramSpec {
  return contextProgram(name, options.format, { ...options, type: "tracepoint", result: 0 }, body);
}

/** On a function of user space (`uprobe`) or of the kernel (`kprobe`), with the registers. Paths without `return` return 0. */
export function probeProgram<T>(
  name: string,
  options: ProgramOptions & { readonly registers: Layout<T> },
  body: (code: Code, context: Memory<T>) => void,
): ProgramSpec {
  return contextProgram(name, options.registers, { ...options, type: "kprobe", result: 0 }, body);
}

export type SocketAddressHook =
  | "bind4"
  | "bind6"
  | "connect4"
  | "connect6"
  | "sendmsg4"
  | "sendmsg6"
  | "recvmsg4"
  | "recvmsg6"
  | "getpeername4"
  | "getpeername6"
  | "unixConnect"
  | "unixSendmsg";

const SOCKET_ADDRESS_HOOKS: Readonly<Record<SocketAddressHook, AttachType>> = {
  bind4: "cgroup_inet4_bind",
  bind6: "cgroup_inet6_bind",
  connect4: "cgroup_inet4_connect",
  connect6: "cgroup_inet6_connect",
  sendmsg4: "cgroup_udp4_sendmsg",
  sendmsg6: "cgroup_udp6_sendmsg",
  recvmsg4: "cgroup_udp4_recvmsg",
  recvmsg6: "cgroup_udp6_recvmsg",
  getpeername4: "cgroup_inet4_getpeername",
  getpeername6: "cgroup_inet6_getpeername",
  unixConnect: "cgroup_unix_connect",
  unixSendmsg: "cgroup_unix_sendmsg",
};

/** Where a cgroup's sockets meet addresses. 1 allows, 0 refuses with `EPERM`. */
export function socketAddressProgram(
  name: string,
  options: ProgramOptions & { readonly hook: SocketAddressHook },
  body: (code: Code, context: Memory<SocketAddress>) => void,
): ProgramSpec {
  const expectedAttachType = SOCKET_ADDRESS_HOOKS[options.hook];
  return contextProgram(name, SOCKET_ADDRESS, { ...options, type: "cgroup_sock_addr", expectedAttachType }, body);
}

/** Each packet that a cgroup's sockets send or receive, from the network header on. 1 passes, 0 drops. */
export function cgroupPacketProgram(
  name: string,
  options: ProgramOptions & { readonly direction: "ingress" | "egress" },
  body: (code: Code, context: Memory<PacketBuffer>) => void,
): ProgramSpec {
  const expectedAttachType = options.direction === "ingress" ? "cgroup_inet_ingress" : "cgroup_inet_egress";
  return contextProgram(name, PACKET_BUFFER, { ...options, type: "cgroup_skb", expectedAttachType }, body);
}

export type SocketHook = "create" | "release" | "postBind4" | "postBind6";

const SOCKET_HOOKS: Readonly<Record<SocketHook, AttachType>> = {
  create: "cgroup_inet_sock_create",
  release: "cgroup_inet_sock_release",
  postBind4: "cgroup_inet4_post_bind",
  postBind6: "cgroup_inet6_post_bind",
};

/** Where a cgroup's sockets are made, bound or given back. 1 allows, 0 refuses with `EPERM`. */
export function socketProgram(
  name: string,
  options: ProgramOptions & { readonly hook: SocketHook },
  body: (code: Code, context: Memory<Socket>) => void,
): ProgramSpec {
  return contextProgram(name, SOCKET, { ...options, type: "cgroup_sock", expectedAttachType: SOCKET_HOOKS[options.hook] }, body);
}

/** What happens to a cgroup's TCP connections. */
export function socketOperationProgram(
  name: string,
  options: ProgramOptions,
  body: (code: Code, context: Memory<SocketOperation>) => void,
): ProgramSpec {
  return contextProgram(name, SOCKET_OPERATION, { ...options, type: "sock_ops", expectedAttachType: "cgroup_sock_ops", result: 1 }, body);
}

/** A cgroup's access to devices. 1 allows, 0 refuses. */
export function deviceProgram(name: string, options: ProgramOptions, body: (code: Code, context: Memory<Device>) => void): ProgramSpec {
  return contextProgram(name, DEVICE, { ...options, type: "cgroup_device", expectedAttachType: "cgroup_device" }, body);
}

/** A cgroup's access to sysctls. 1 allows, 0 refuses. */
export function sysctlProgram(name: string, options: ProgramOptions, body: (code: Code, context: Memory<Sysctl>) => void): ProgramSpec {
  return contextProgram(name, SYSCTL, { ...options, type: "cgroup_sysctl", expectedAttachType: "cgroup_sysctl" }, body);
}

/** A cgroup's socket options. 1 allows, 0 refuses. */
export function socketOptionProgram(
  name: string,
  options: ProgramOptions & { readonly hook: "get" | "set" },
  body: (code: Code, context: Memory<SocketOption>) => void,
): ProgramSpec {
  const expectedAttachType = options.hook === "get" ? "cgroup_getsockopt" : "cgroup_setsockopt";
  return contextProgram(name, SOCKET_OPTION, { ...options, type: "cgroup_sockopt", expectedAttachType }, body);
}

/** Which socket a connection is for. 1 goes on, 0 drops. */
export function socketLookupProgram(
  name: string,
  options: ProgramOptions,
  body: (code: Code, context: Memory<SocketLookup>) => void,
): ProgramSpec {
  return contextProgram(name, SOCKET_LOOKUP, { ...options, type: "sk_lookup", expectedAttachType: "sk_lookup" }, body);
}

/** What an XDP program decides. */
export const XDP_ACTION = { aborted: 0, drop: 1, pass: 2, tx: 3, redirect: 4 } as const;

/** Each packet of a network interface, before the kernel has seen it. Returns one of `XDP_ACTION`. */
export function xdpProgram(name: string, options: ProgramOptions, body: (code: Code, context: Memory<XdpPacket>) => void): ProgramSpec {
  return contextProgram(name, XDP_PACKET, { ...options, type: "xdp", expectedAttachType: "xdp" }, body);
}

/** What a TCX program decides: `next` asks the program after it. */
export const TC_ACTION = { next: -1, pass: 0, drop: 2, redirect: 7 } as const;

/** Each packet of a network interface, as the kernel has it. Returns one of `TC_ACTION`. */
export function trafficProgram(
  name: string,
  options: ProgramOptions & { readonly direction: "ingress" | "egress" },
  body: (code: Code, context: Memory<PacketBuffer>) => void,
): ProgramSpec {
  const expectedAttachType = options.direction === "ingress" ? "tcx_ingress" : "tcx_egress";
  return contextProgram(name, PACKET_BUFFER, { ...options, type: "sched_cls", expectedAttachType }, body);
}

/** Each packet of one socket: how many of its bytes are kept. */
export function socketFilterProgram(
  name: string,
  options: ProgramOptions,
  body: (code: Code, context: Memory<PacketBuffer>) => void,
): ProgramSpec {
  return contextProgram(name, PACKET_BUFFER, { ...options, type: "socket_filter" }, body);
}

/** A raw tracepoint without BTF, or a program that is run by hand: its context has numbers alone. Paths without `return` return 0. */
export function rawTracepointProgram<T>(
  name: string,
  options: ProgramOptions & { readonly args: Layout<T> },
  body: (code: Code, context: Memory<T>) => void,
): ProgramSpec {
  return contextProgram(name, options.args, { ...options, type: "raw_tracepoint", result: 0 }, body);
}

/** A function of a program's own, with at most five numbers as parameters. It ends with `return`, or returns 0. */
export function subprogram(name: string, parameters: number, body: (code: Code, ...parameters: readonly Scalar[]) => void): Subprogram {
  if (!Number.isInteger(parameters) || parameters < 0 || parameters > 5)
    throw new RangeError(`expected 0 to 5 parameters, got ${parameters}`);
  // The unit makes its functions as `Code` and nothing else.
  return { name: checkObjectName(name), parameters, body: (code, ...given) => body(code as Code, ...given) };
}
