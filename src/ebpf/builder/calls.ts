/** Calls of the kernel's functions and of the program's own. */
import * as form from "../assembler/instructions.ts";
import type { Btf } from "../btf/btf.ts";
import type { Register, SourcePosition } from "../instruction.ts";
import type { MapSpec } from "../map-spec.ts";
import { type Expression, expressionOf, Scalar, type ScalarLike } from "./expression.ts";
import { Flow, R0 } from "./flow.ts";
import { type ArgumentKind, CALL_ID, KERNEL_CALLS, type KernelCallName } from "./kernel-call.ts";
import { KernelPointer } from "./kernel-pointer.ts";
import { type AnyMemory, Memory } from "./memory.ts";
import type { Subprogram, Unit } from "./unit.ts";

/** Memory, less of it than its layout says: at most so many bytes. */
export interface PartOfMemory {
  readonly memory: AnyMemory;
  readonly size: ScalarLike;
}

interface ArgumentOf {
  readonly scalar: ScalarLike;
  readonly context: AnyMemory | KernelPointer;
  readonly map: MapSpec;
  readonly input: AnyMemory | PartOfMemory;
  readonly output: AnyMemory | PartOfMemory;
  readonly address: AnyMemory | KernelPointer | ScalarLike;
}

type Each<Kinds extends readonly ArgumentKind[]> = { -readonly [I in keyof Kinds]: ArgumentOf[Kinds[I]] };
type ArgumentsOf<N extends KernelCallName> = Each<(typeof KERNEL_CALLS)[N]["takes"]>;
const ARGUMENT_REGISTERS: readonly Register[] = [1, 2, 3, 4, 5];

/** The statements that call. */
export abstract class Calls extends Flow {
  /** The code of another function of the same program. */
  protected abstract createFunction(unit: Unit, name: string, source: SourcePosition): Calls;

  /** Calls a function of the kernel for its result. */
  call<N extends KernelCallName>(name: N, ...args: ArgumentsOf<N>): Scalar {
    this.begin();
    this.emitCall(name, args);
    return this.result(name);
  }

  /** Calls a function of the kernel for what it does. */
  run<N extends KernelCallName>(name: N, ...args: ArgumentsOf<N>): void {
    this.begin();
    this.emitCall(name, args);
  }

  protected emitCall(name: KernelCallName, args: readonly unknown[]): void {
    const { id, takes }: { readonly id: number; readonly takes: readonly ArgumentKind[] } = KERNEL_CALLS[name];
    const outputs: AnyMemory[] = [];
    const registers: (Expression | MapSpec)[] = [];
    for (const [index, kind] of takes.entries()) {
      const argument = args[index];
      if (kind === "map") registers.push(argument as MapSpec);
      else if (kind === "input" || kind === "output") registers.push(...this.#sized(argument as AnyMemory | PartOfMemory, kind, outputs));
      else registers.push(addressOf(argument as ScalarLike | AnyMemory | KernelPointer));
      if (kind === "address" && argument instanceof Memory) argument.checkReadable();
    }
    this.loadArguments(registers);
    this.emitter.emit(form.call(id, name));
    for (const memory of outputs) memory.markWritten();
  }

  #sized(argument: AnyMemory | PartOfMemory, kind: "input" | "output", outputs: AnyMemory[]): readonly Expression[] {
    const { memory, size } = "memory" in argument ? argument : { memory: argument, size: argument.layout.size };
    if (kind === "input") memory.checkReadable();
    else outputs.push(memory);
    return [memory.base, expressionOf(size)];
  }

  protected loadArguments(registers: readonly (Expression | MapSpec)[]): void {
    for (const [index, argument] of registers.entries()) {
      const register = ARGUMENT_REGISTERS[index];
      if (register === undefined) throw new TypeError("expected at most five arguments");
      if (argument !== undefined && "kind" in argument)
        this.emitter.evaluate(argument, register, [R0, ...ARGUMENT_REGISTERS.slice(index + 1)]);
      else this.emitter.emit(form.loadMap(register, argument));
    }
  }

  /** Calls a function of the kernel by its BTF (a *kfunc*) for its result. Throws `EBPF_BTF_NAME` when this kernel has none. */
  callKernel(name: string, ...args: readonly (ScalarLike | AnyMemory | KernelPointer)[]): Scalar {
    this.begin();
    this.loadArguments(args.map(addressOf));
    this.emitter.emit(form.callKernel(name, this.kernelTypes().idOf(name, "function")));
    return this.result(name);
  }

  /** A pointer to a struct of the kernel from a number that is its address; what is not there reads as zero. Needs Linux 6.2. */
  cast<Name extends string>(value: ScalarLike, structName: Name): KernelPointer<Name> {
    this.begin();
    const btf = this.kernelTypes();
    const typeId = btf.idOf(structName, "struct", "union");
    this.loadArguments([expressionOf(value), expressionOf(typeId)]);
    this.emitter.emit(form.callKernel("bpf_rdonly_cast", btf.idOf("bpf_rdonly_cast", "function")));
    return new KernelPointer(btf, typeId, this.result(structName).expression);
  }

  /** The task that runs the program. */
  currentTask(): KernelPointer<"task_struct"> {
    this.begin();
    const btf = this.kernelTypes();
    this.emitter.emit(form.call(CALL_ID.get_current_task_btf, "get_current_task_btf"));
    return new KernelPointer(btf, btf.idOf("task_struct", "struct"), this.result("task").expression);
  }

  /** Calls a subprogram with as many numbers as it takes. */
  callSubprogram(called: Subprogram, ...args: readonly (ScalarLike | AnyMemory | KernelPointer)[]): Scalar {
    this.begin();
    if (args.length !== called.parameters) throw new TypeError(`expected ${called.parameters} arguments, got ${args.length}`);
    const label = this.unit.labelOf(called, this, (source, unit, name) => this.createFunction(unit, name, source));
    this.loadArguments(args.map(addressOf));
    this.emitter.emit(form.callSubprogram(label));
    return this.result(called.name);
  }

  /** The parameters of a subprogram, from the registers that they come in. */
  parameters(count: number): readonly Scalar[] {
    return ARGUMENT_REGISTERS.slice(0, count).map((register, index) => {
      const home = this.frame.home(`parameter ${index}`, this.emitter.source);
      this.emitter.keep(home, register);
      return new Scalar({ kind: "home", home });
    });
  }

  /** Goes on as another program; the statements that follow are for when there is none at the index. */
  tailCall(context: AnyMemory | KernelPointer, programs: MapSpec, index: ScalarLike): void {
    this.begin();
    for (const record of this.state.held) throw this.leakOf(record);
    this.loadArguments([context.base, programs, expressionOf(index)]);
    this.emitter.emit(form.call(CALL_ID.tail_call, "tail_call"));
  }

  /**
   * Calls `body` so many times in a function of its own, which reaches nothing outside but `shared`. Needs Linux 5.17.
   * `body` returns 0 to go on and 1 to stop.
   */
  loop<T>(count: ScalarLike, shared: Memory<T>, body: (code: this, index: Scalar, shared: Memory<T>) => void): void {
    this.begin();
    shared.checkReadable();
    const callback: Subprogram = {
      name: "loop_body",
      parameters: 2,
      isCallback: true,
      body: (code, index, pointer) => {
        if (index === undefined || pointer === undefined) throw new TypeError("expected two parameters");
        const inner = code as this;
        body(inner, index, new Memory(inner, shared.layout, pointer.expression, { kind: "stack" }));
      },
    };
    const label = this.unit.labelOf(callback, this, (source, unit, name) => this.createFunction(unit, name, source));
    this.emitter.evaluate(expressionOf(count), 1);
    this.emitter.emit(form.loadFunction(2, label));
    this.emitter.evaluate(shared.base, 3, [R0, 4, 5]);
    this.emitter.emit(form.move(4, 0));
    this.emitter.emit(form.call(CALL_ID.loop, "loop"));
  }

  protected kernelTypes(): Btf {
    if (this.unit.btf === undefined) throw new TypeError("expected the program to be made with the kernel's BTF");
    return this.unit.btf;
  }
}

function addressOf(argument: ScalarLike | AnyMemory | KernelPointer): Expression {
  return typeof argument === "object" && "base" in argument ? argument.base : expressionOf(argument);
}
