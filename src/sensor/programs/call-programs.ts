/**
 * Programs on the begin and the end of system calls, attached only while somebody needs calls told: every call of the host pays for them.
 * What a call was is told when it returns. Which file an `open` or a socket is about is read from the kernel then. Texts that the kernel
 * does not keep are copied when the call begins; a thread of the same process can still change them between that copy and the kernel's
 * own, so that they are told, never decided upon.
 */
import type { Btf } from "../../ebpf/btf/btf.ts";
import type { Code } from "../../ebpf/builder/code.ts";
import type { Scalar } from "../../ebpf/builder/expression.ts";
import type { KernelPointer } from "../../ebpf/builder/kernel-pointer.ts";
import type { Memory } from "../../ebpf/builder/memory.ts";
import { tracepointProgram } from "../../ebpf/builder/program.ts";
import { type StructLayout, struct, u32, u64 } from "../../ebpf/layout.ts";
import { arrayMap, hashMap, type MapSpec } from "../../ebpf/map-spec.ts";
import type { ProgramSpec } from "../../ebpf/program-spec.ts";
import type { Architecture } from "../../linux/syscall-numbers.ts";
import { assemblyMap, type CountedRing } from "./assembly.ts";
import { addressLength, CALL_PLAN, type CallPlan, callNumber, isForeignCall, KEPT, REGISTERS, tellCall } from "./call-record.ts";
import type { CallRing } from "./call-table.ts";
import { plainPointer } from "./plain-pointer.ts";
import { CALL_RECORD } from "./record-layouts.ts";

export interface CallScope {
  /** The process that is never told of: the one that reads. */
  readonly ownPid: number;
  /** 1 when only cgroups in the map are told of. */
  readonly isLimited: number;
}

const CALL_SCOPE: StructLayout<CallScope> = struct("CallScope", { ownPid: u32, isLimited: u32 });

export interface CallPrograms {
  readonly enter: ProgramSpec;
  readonly exit: ProgramSpec;
  readonly plans: MapSpec<number, CallPlan>;
  readonly scope: MapSpec<number, CallScope>;
  readonly cgroups: MapSpec<bigint, number>;
}

const MAX_NUMBERS = 512;
const MAX_CGROUPS = 4096;
/** Calls at once whose texts are kept. */
const MAX_KEPT = 512;
const ADDRESS_BYTES = 128;

export function callPrograms(btf: Btf, architecture: Architecture, rings: Readonly<Record<CallRing, CountedRing>>): CallPrograms {
  const plans = arrayMap("call_plans", { value: CALL_PLAN, maxEntries: MAX_NUMBERS });
  const scope = arrayMap("call_scope", { value: CALL_SCOPE, maxEntries: 1 });
  const cgroups = hashMap("call_cgroups", { key: u64, value: u32, maxEntries: MAX_CGROUPS });
  const kept = hashMap("kept_texts", { key: u32, value: KEPT, maxEntries: MAX_KEPT, type: "lru_hash" });
  const keeping = arrayMap("keeping", { value: KEPT, maxEntries: 1, perCpu: true });
  const assembly = assemblyMap("call_assembly", CALL_RECORD);

  /** The plan of the call; ends the program for calls that nobody wants told. */
  const wanted = (code: Code, task: KernelPointer<"task_struct">, number: Scalar): Memory<CallPlan> => {
    code.if(number.ge(MAX_NUMBERS), () => code.return(0));
    const plan = code.orElse(code.lookup(plans, number), () => code.return(0));
    code.if(plan.get("ring").eq(0), () => code.return(0));
    code.if(isForeignCall(task, architecture).ne(0), () => code.return(0));
    const limits = code.globalValue(scope);
    code.if(task.field("tgid").eq(limits.get("ownPid")), () => code.return(0));
    code.if(limits.get("isLimited").ne(0), () => {
      code.orElse(code.lookup(cgroups, task.field("cgroups.dfl_cgrp.kn.id")), () => code.return(0));
    });
    return plan;
  };

  const enter = tracepointProgram("sense_call_in", { btf, tracepoint: "sys_enter" }, (code, args) => {
    const number = code.let(args.scalar("id"), "number");
    const task = plainPointer(code, code.currentTask(), "task_struct");
    const plan = wanted(code, task, number);
    code.if(plan.get("isKept").eq(0), () => code.return(0));
    const registers = plainPointer(code, args.pointer("regs"), "pt_regs");
    const values = code.stack(ARGUMENTS);
    for (const [index, name] of ARGUMENT_NAMES.entries())
      values.set(name, registers.field(index === 0 && architecture === "arm64" ? "regs[0]" : (REGISTERS[architecture][index] ?? "")));
    const memory = code.orElse(code.lookup(keeping, 0), () => code.return(0));
    memory.set("number", number);
    const argument = (place: Scalar): Scalar => chosen(code, values, place);
    for (const text of ["first", "second"] as const) {
      memory.set(`${text}Length`, 0);
      code.if(plan.get(text).ne(0), () => {
        const length = code.call("probe_read_user_str", memory.at(text), argument(plan.get(text)));
        code.if(length.sgt(0), () => memory.set(`${text}Length`, length));
      });
    }
    memory.set("addressLength", 0);
    code.if(plan.get("address").ne(0), () => {
      const length = addressLength(code, argument(plan.get("address").add(1)));
      const failure = code.call(
        "probe_read_user",
        { memory: memory.at("address"), size: length.and(ADDRESS_BYTES - 1) },
        argument(plan.get("address")),
      );
      code.if(failure.eq(0), () => memory.set("addressLength", length));
    });
    code.update(kept, task.field("pid"), memory);
  });

  const exit = tracepointProgram("sense_call_out", { btf, tracepoint: "sys_exit" }, (code, args) => {
    const registers = plainPointer(code, args.pointer("regs"), "pt_regs");
    const number = code.let(callNumber(registers, architecture), "number");
    const task = plainPointer(code, code.currentTask(), "task_struct");
    const plan = wanted(code, task, number);
    tellCall(code, { btf, architecture, assembly, task, registers, number, plan, result: args.scalar("ret"), kept, rings });
  });
  return { enter, exit, plans, scope, cgroups };
}

type ArgumentName = "a0" | "a1" | "a2" | "a3" | "a4" | "a5";
const ARGUMENTS: StructLayout<{ readonly [K in ArgumentName]: bigint }> = struct("Arguments", {
  a0: u64,
  a1: u64,
  a2: u64,
  a3: u64,
  a4: u64,
  a5: u64,
});
const ARGUMENT_NAMES = ["a0", "a1", "a2", "a3", "a4", "a5"] as const satisfies readonly ArgumentName[];
/** The register of a place that is only known when the program runs. */
function chosen(code: Code, values: Memory<{ readonly [K in ArgumentName]: bigint }>, place: Scalar): Scalar {
  const value = code.variable(0, "argument");
  const at = code.let(place, "place");
  for (const [index, name] of ARGUMENT_NAMES.entries()) code.if(at.eq(index + 1), () => code.assign(value, values.get(name)));
  return value;
}
