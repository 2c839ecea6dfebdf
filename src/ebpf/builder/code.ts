/** The statements of a program. Control flow is written with functions: `code.if(condition, () => { … })`. */
import * as form from "../assembler/instructions.ts";
import type { Line } from "../assembler/line.ts";
import type { Btf } from "../btf/btf.ts";
import { EbpfError } from "../ebpf-error.ts";
import type { Register, SourcePosition } from "../instruction.ts";
import type { Layout } from "../layout.ts";
import type { MapSpec } from "../map-spec.ts";
import { callSite } from "./call-site.ts";
import { Emitter } from "./emitter.ts";
import { Condition, type Expression, expressionOf, type Home, Scalar, type ScalarLike } from "./expression.ts";
import { Frame } from "./frame.ts";
import { type ArgumentKind, CALL_ID, KERNEL_CALLS, type KernelCallName } from "./kernel-call.ts";
import { KernelPointer } from "./kernel-pointer.ts";
import { type AnyMemory, type Argument, Memory, type Region, type Statements } from "./memory.ts";
import { Nullable } from "./nullable.ts";
import { type HeldRecord, PathState } from "./path-state.ts";
import { RingRecord } from "./ring-record.ts";
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

/** A value that can be set again, as a number of the program's own. */
export class Variable extends Scalar {
  readonly home: Home;

  constructor(home: Home) {
    super({ kind: "home", home });
    this.home = home;
  }
}

/** A context with the start and the end of a packet. */
export interface PacketContext {
  get(field: "data" | "data_end"): Scalar;
}

/** Ends a loop, or its current round. */
export interface Loop {
  break(): void;
  continue(): void;
}

const MAX_UNROLLED = 16;
const R0: Register = 0;
const ARGUMENT_REGISTERS: readonly Register[] = [1, 2, 3, 4, 5];

export class Code implements Statements {
  readonly emitter: Emitter;
  state: PathState = new PathState();
  readonly #frame: Frame;
  readonly #unit: Unit;
  /** What is known on the paths that jump to a label. */
  readonly #arrivals = new Map<string, PathState[]>();

  /** `createProgram` and `subprogram` make them. */
  constructor(unit: Unit, name: string, savedRegisters: readonly (6 | 7 | 8 | 9)[], source: SourcePosition) {
    this.#unit = unit;
    this.#frame = new Frame(savedRegisters);
    this.emitter = new Emitter(name, this.#frame, source);
  }

  get lines(): readonly Line[] {
    return this.emitter.lines;
  }

  /** Bytes of the stack frame. */
  get stackDepth(): number {
    return this.#frame.depth;
  }

  begin(): void {
    this.emitter.source = callSite();
  }

  /** Says in the listing what the next statement is for. */
  comment(text: string): this {
    this.emitter.comment = text.replaceAll(/\s+/g, " ").slice(0, 200);
    return this;
  }

  result(name: string): Scalar {
    const home = this.#frame.home(name, this.emitter.source);
    this.emitter.keep(home);
    return new Scalar({ kind: "home", home });
  }

  // ── values ──────────────────────────────────────────────────────────────

  /** The value as it is now, where it stays until the end of the block. */
  let(value: ScalarLike, name: string = "value"): Scalar {
    this.begin();
    return new Scalar(this.#keep(expressionOf(value), name));
  }

  /** A value that can be set again with `assign`. */
  variable(initial: ScalarLike = 0, name: string = "variable"): Variable {
    this.begin();
    const home = this.#frame.home(name, this.emitter.source);
    this.emitter.assign(home, expressionOf(initial));
    return new Variable(home);
  }

  assign(variable: Variable, value: ScalarLike): void {
    this.begin();
    this.emitter.assign(variable.home, expressionOf(value));
  }

  #keep(expression: Expression, name: string): Expression {
    const home = this.#frame.home(name, this.emitter.source);
    this.emitter.assign(home, expression);
    return { kind: "home", home };
  }

  /** Memory on the stack, of zeros or of what is given for each field. */
  stack<T>(layout: Layout<T>, initial?: Argument<T>): Memory<T> {
    this.begin();
    return this.#stack(layout, initial);
  }

  #stack<T>(layout: Layout<T>, initial?: Argument<T>): Memory<T> {
    const memory = this.#area(layout, { kind: "stack" });
    // Padding too: the kernel compares keys as bytes, and refuses to read what was not written.
    const size = Math.ceil(layout.size / 8) * 8;
    const isWritten = initial !== undefined && layout.kind === "integer" && layout.size === 8;
    const { base } = memory;
    if (!isWritten) for (let offset = 0; offset < size; offset += 8) this.emitter.store(8, base, offset, { kind: "constant", value: 0n });
    if (initial !== undefined) memory.assign(initial);
    return memory;
  }

  /** Memory on the stack for a function of the kernel to write to. It cannot be read before. */
  buffer<T>(layout: Layout<T>): Memory<T> {
    this.begin();
    return this.#area(layout, { kind: "stack", written: {} });
  }

  #area<T>(layout: Layout<T>, region: Region): Memory<T> {
    const offset = this.#frame.area(layout.size, layout.kind === "struct" ? layout.name : layout.kind, this.emitter.source);
    return new Memory(this, layout, { kind: "frame", offset, block: this.#frame.block }, region);
  }

  // ── control flow ────────────────────────────────────────────────────────

  if(condition: Condition, then: () => void, otherwise?: () => void): void {
    this.begin();
    this.#choose(condition, then, otherwise);
  }

  #choose(condition: Condition, then: () => void, otherwise?: () => void): void {
    const { source } = this.emitter;
    const elseLabel = this.emitter.newLabel("else");
    this.#branch(condition, elseLabel, false);
    this.#block(then);
    this.emitter.source = source;
    if (otherwise === undefined) {
      this.#place(elseLabel);
      return;
    }
    const endLabel = this.emitter.newLabel("end");
    this.#jump(endLabel);
    this.#place(elseLabel);
    this.#block(otherwise);
    this.emitter.source = source;
    this.#place(endLabel);
  }

  /** Does the first for what is there, and the second where there is nothing. */
  ifNonNull<P>(nullable: Nullable<P>, then: (pointer: P) => void, otherwise?: () => void): void {
    this.begin();
    const [pointer, isNull] = this.#checked(nullable);
    this.#choose(isNull.not(), () => then(pointer), otherwise);
  }

  /** What is there; where there is nothing, `otherwise` must end the program, the loop or its round. */
  orElse<P>(nullable: Nullable<P>, otherwise: () => void): P {
    this.begin();
    const { source } = this.emitter;
    const [pointer, isNull] = this.#checked(nullable);
    const there = this.emitter.newLabel("there");
    this.#branch(isNull, there, false);
    this.#block(otherwise);
    if (this.emitter.isReachable)
      throw new EbpfError("EBPF_RETURN", "the program goes on with a pointer that is null", {
        source,
        hint: "return in `orElse`, or use `ifNonNull`",
      });
    this.emitter.source = source;
    this.#place(there);
    return pointer;
  }

  #checked<P>(nullable: Nullable<P>): readonly [P, Condition] {
    const { expression, pointerAt } = Nullable.unchecked(nullable);
    const home = expression.kind === "home" ? expression : this.#keep(expression, "pointer");
    return [pointerAt(home), new Condition({ kind: "compare", comparison: "eq", left: home, right: expressionOf(0), bits: 64 })];
  }

  /**
   * Repeats `body` a fixed number of times, written out up to 16 times and looped beyond.
   *
   * The kernel walks through each round of a loop; with `guard: "may_goto"` (Linux 6.9) it does not, and what changes in the
   * loop must then be compared or masked before it is used as an index.
   */
  repeat(
    count: number,
    body: (index: Scalar, loop: Loop) => void,
    options: { readonly guard?: "count" | "may_goto"; readonly unroll?: boolean } = {},
  ): void {
    this.begin();
    if (!Number.isInteger(count) || count < 1 || count > 1 << 23)
      throw new RangeError(`expected to repeat 1 to ${1 << 23} times, got ${count}`);
    const end = this.emitter.newLabel("end");
    if (options.unroll ?? count <= MAX_UNROLLED) this.#unrolled(count, body, end);
    else this.#looped(count, body, end, options.guard ?? "count");
    this.#place(end);
  }

  #unrolled(count: number, body: (index: Scalar, loop: Loop) => void, end: string): void {
    const { source } = this.emitter;
    for (let index = 0; index < count; index++) {
      const next = this.emitter.newLabel("next");
      this.#block(() => body(new Scalar(expressionOf(index)), { break: () => this.#jump(end), continue: () => this.#jump(next) }));
      this.emitter.source = source;
      this.#place(next);
    }
  }

  #looped(count: number, body: (index: Scalar, loop: Loop) => void, end: string, guard: "count" | "may_goto"): void {
    const { source } = this.emitter;
    this.#frame.enter();
    const index = this.variable(0, "index");
    this.emitter.source = source;
    const head = this.emitter.newLabel("loop");
    const next = this.emitter.newLabel("next");
    this.emitter.placeLoop(head);
    const atHead = this.state.copy();
    if (guard === "may_goto") {
      this.#unit.usesMayGoto = true;
      this.emitter.emit(form.mayGoto(end));
      this.#arrive(end);
    }
    this.#branch(index.ge(count), end, true);
    this.#block(() => body(index, { break: () => this.#jump(end), continue: () => this.#jump(next) }));
    this.emitter.source = source;
    this.#place(next);
    this.emitter.assign(index.home, index.add(1).expression);
    if (this.emitter.isReachable) atHead.meet(this.state);
    this.emitter.jump(head);
    this.#frame.leave();
  }

  /** Ends the program, or the subprogram, with a result. */
  return(value: ScalarLike): void {
    this.begin();
    this.#return(value);
  }

  #return(value: ScalarLike): void {
    if (!this.emitter.isReachable) return;
    for (const record of this.state.held) throw this.#leak(record);
    this.emitter.evaluate(expressionOf(value), R0);
    this.emitter.exit();
  }

  /** Ends a function whose last statement may be reached: with `result`, or not at all. */
  finish(result: number | undefined): void {
    if (!this.emitter.isReachable) return;
    if (result === undefined)
      throw new EbpfError("EBPF_RETURN", "the program has a path that ends without a result", {
        source: this.emitter.source,
        hint: "end it with `return`",
      });
    this.#return(result);
  }

  #leak(record: HeldRecord): EbpfError {
    return new EbpfError(
      "EBPF_RECORD",
      `a record of \`${record.ring}\` is neither submitted nor discarded on the path that ends at line ${this.emitter.source.line}`,
      {
        source: record.reservedAt,
        hint: "submit or discard it before the path ends",
      },
    );
  }

  #block(body: () => void): void {
    this.#frame.enter();
    body();
    this.#frame.leave();
  }

  #branch(condition: Condition, label: string, when: boolean): void {
    this.emitter.branch(condition.test, label, when);
    this.#arrive(label);
  }

  #jump(label: string): void {
    this.#arrive(label);
    this.emitter.jump(label);
  }

  #arrive(label: string): void {
    if (!this.emitter.isReachable) return;
    const states = this.#arrivals.get(label) ?? [];
    states.push(this.state.copy());
    this.#arrivals.set(label, states);
  }

  #place(label: string): void {
    const states = [...(this.#arrivals.get(label) ?? []), ...(this.emitter.isReachable ? [this.state] : [])];
    this.emitter.place(label);
    const [first, ...others] = states;
    if (first !== undefined) this.state = others.reduce((sofar, other) => sofar.meet(other), first);
  }

  // ── calls ───────────────────────────────────────────────────────────────

  /** Calls a function of the kernel for its result. */
  call<N extends KernelCallName>(name: N, ...args: ArgumentsOf<N>): Scalar {
    this.begin();
    this.#call(name, args);
    return this.result(name);
  }

  /** Calls a function of the kernel for what it does. */
  run<N extends KernelCallName>(name: N, ...args: ArgumentsOf<N>): void {
    this.begin();
    this.#call(name, args);
  }

  #call(name: KernelCallName, args: readonly unknown[]): void {
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
    this.#load(registers);
    this.emitter.emit(form.call(id, name));
    for (const memory of outputs) memory.markWritten();
  }

  #sized(argument: AnyMemory | PartOfMemory, kind: "input" | "output", outputs: AnyMemory[]): readonly Expression[] {
    const { memory, size } = "memory" in argument ? argument : { memory: argument, size: argument.layout.size };
    if (kind === "input") memory.checkReadable();
    else outputs.push(memory);
    return [memory.base, expressionOf(size)];
  }

  #load(registers: readonly (Expression | MapSpec)[]): void {
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
    this.#load(args.map(addressOf));
    this.emitter.emit(form.callKernel(name, this.#btf().idOf(name, "function")));
    return this.result(name);
  }

  /** A pointer to a struct of the kernel from a number that is its address; what is not there reads as zero. Needs Linux 6.2. */
  cast<Name extends string>(value: ScalarLike, structName: Name): KernelPointer<Name> {
    this.begin();
    const btf = this.#btf();
    const typeId = btf.idOf(structName, "struct", "union");
    this.#load([expressionOf(value), expressionOf(typeId)]);
    this.emitter.emit(form.callKernel("bpf_rdonly_cast", btf.idOf("bpf_rdonly_cast", "function")));
    return new KernelPointer(btf, typeId, this.result(structName).expression);
  }

  /** The task that runs the program. */
  currentTask(): KernelPointer<"task_struct"> {
    this.begin();
    const btf = this.#btf();
    this.emitter.emit(form.call(CALL_ID.get_current_task_btf, "get_current_task_btf"));
    return new KernelPointer(btf, btf.idOf("task_struct", "struct"), this.result("task").expression);
  }

  /** Calls a subprogram with as many numbers as it takes. */
  callSubprogram(called: Subprogram, ...args: readonly (ScalarLike | AnyMemory | KernelPointer)[]): Scalar {
    this.begin();
    if (args.length !== called.parameters) throw new TypeError(`expected ${called.parameters} arguments, got ${args.length}`);
    const label = this.#unit.labelOf(called, this, (code, unit) => new Code(unit, called.name, [6, 7, 8, 9], code));
    this.#load(args.map(addressOf));
    this.emitter.emit(form.callSubprogram(label));
    return this.result(called.name);
  }

  /** The parameters of a subprogram, from the registers that they come in. */
  parameters(count: number): readonly Scalar[] {
    return ARGUMENT_REGISTERS.slice(0, count).map((register, index) => {
      const home = this.#frame.home(`parameter ${index}`, this.emitter.source);
      this.emitter.keep(home, register);
      return new Scalar({ kind: "home", home });
    });
  }

  /** Goes on as another program; the statements that follow are for when there is none at the index. */
  tailCall(context: AnyMemory | KernelPointer, programs: MapSpec, index: ScalarLike): void {
    this.begin();
    for (const record of this.state.held) throw this.#leak(record);
    this.#load([context.base, programs, expressionOf(index)]);
    this.emitter.emit(form.call(CALL_ID.tail_call, "tail_call"));
  }

  /**
   * Calls `body` so many times in a function of its own, which reaches nothing outside but `shared`. Needs Linux 5.17.
   * `body` returns 0 to go on and 1 to stop.
   */
  loop<T>(count: ScalarLike, shared: Memory<T>, body: (code: Code, index: Scalar, shared: Memory<T>) => void): void {
    this.begin();
    shared.checkReadable();
    const callback: Subprogram = {
      name: "loop_body",
      parameters: 2,
      isCallback: true,
      body: (code, index, pointer) => {
        if (index === undefined || pointer === undefined) throw new TypeError("expected two parameters");
        const inner = code as Code;
        body(inner, index, new Memory(inner, shared.layout, pointer.expression, { kind: "stack" }));
      },
    };
    const label = this.#unit.labelOf(callback, this, (source, unit) => new Code(unit, "loop_body", [6, 7, 8, 9], source));
    this.emitter.evaluate(expressionOf(count), 1);
    this.emitter.emit(form.loadFunction(2, label));
    this.emitter.evaluate(shared.base, 3, [R0, 4, 5]);
    this.emitter.emit(form.move(4, 0));
    this.emitter.emit(form.call(CALL_ID.loop, "loop"));
  }

  #btf(): Btf {
    if (this.#unit.btf === undefined) throw new TypeError("expected the program to be made with the kernel's BTF");
    return this.#unit.btf;
  }

  // ── maps ────────────────────────────────────────────────────────────────

  /** The value of a key, which may not be there. */
  lookup<K, V>(map: MapSpec<K, V>, key: Argument<K>): Nullable<Memory<V>> {
    this.begin();
    this.#keyed(map, key, CALL_ID.map_lookup_elem, "map_lookup_elem");
    return this.#mapValue(map);
  }

  /** The inner map of a key, to look up in. */
  lookupIn<K, L, V>(
    outer: MapSpec<L, never>,
    outerKey: Argument<L>,
    inner: MapSpec<K, V>,
    key: Argument<K>,
    then: (value: Memory<V>) => void,
    otherwise?: () => void,
  ): void {
    this.begin();
    const { source } = this.emitter;
    this.#keyed(outer, outerKey, CALL_ID.map_lookup_elem, "map_lookup_elem");
    const found = this.result(inner.name).expression;
    const none = this.emitter.newLabel("none");
    const end = this.emitter.newLabel("end");
    this.#branch(new Scalar(found).eq(0), none, true);
    this.#frame.enter();
    const keyed = this.#key(inner, key);
    this.emitter.evaluate(found, 1);
    this.emitter.evaluate(keyed.base, 2, [R0, 3, 4, 5]);
    this.emitter.emit(form.call(CALL_ID.map_lookup_elem, "map_lookup_elem"));
    const value = this.#mapValue(inner);
    const [pointer, isNull] = this.#checked(value);
    this.#branch(isNull, none, true);
    this.#block(() => then(pointer));
    this.#frame.leave();
    this.emitter.source = source;
    this.#jump(end);
    this.#place(none);
    if (otherwise !== undefined) this.#block(otherwise);
    this.emitter.source = source;
    this.#place(end);
  }

  /** The value of an array map that has one, without a call. */
  globalValue<V>(map: MapSpec<number, V>): Memory<V> {
    this.begin();
    if (map.type !== "array" || map.maxEntries !== 1) throw new TypeError("expected an array map of one entry");
    const home = this.#frame.home(map.name, this.emitter.source);
    this.emitter.emit(form.loadMapValue(R0, map));
    this.emitter.keep(home);
    return new Memory(this, valueLayout(map), { kind: "home", home }, { kind: "map value" });
  }

  /** Puts a value at a key; 0, or a negative error. */
  update<K, V>(map: MapSpec<K, V>, key: Argument<K>, value: Argument<V>, when: "any" | "absent" | "present" = "any"): Scalar {
    this.begin();
    this.#frame.enter();
    const at = this.#key(map, key);
    const stored = value instanceof Memory ? value : this.#stack(valueLayout(map), value);
    stored.checkReadable();
    const flags = { any: 0, absent: 1, present: 2 }[when];
    this.#load([map, at.base, stored.base, expressionOf(flags)]);
    this.emitter.emit(form.call(CALL_ID.map_update_elem, "map_update_elem"));
    this.#frame.leave();
    return this.result("map_update_elem");
  }

  /** Removes a key; 0, or a negative error. */
  delete<K, V>(map: MapSpec<K, V>, key: Argument<K>): Scalar {
    this.begin();
    this.#keyed(map, key, CALL_ID.map_delete_elem, "map_delete_elem");
    return this.result("map_delete_elem");
  }

  /** The value that a task, a cgroup or a socket has in storage of its own, made of zeros when asked to. */
  storage<V>(map: MapSpec<number, V>, owner: KernelPointer, options: { readonly create?: boolean } = {}): Nullable<Memory<V>> {
    this.begin();
    const id = { task_storage: CALL_ID.task_storage_get, cgrp_storage: CALL_ID.cgrp_storage_get, sk_storage: CALL_ID.sk_storage_get }[
      map.type as "task_storage" | "cgrp_storage" | "sk_storage"
    ];
    if (id === undefined) throw new TypeError(`expected local storage, got ${map.type}`);
    this.#load([map, owner.base, expressionOf(0), expressionOf(options.create === true ? 1 : 0)]);
    this.emitter.emit(form.call(id, `${map.type}_get`));
    return this.#mapValue(map);
  }

  #keyed(map: MapSpec, key: unknown, id: number, name: string): void {
    this.#frame.enter();
    const at = this.#key(map, key);
    this.#load([map, at.base]);
    this.emitter.emit(form.call(id, name));
    this.#frame.leave();
  }

  #key(map: MapSpec, key: unknown): Memory {
    if (!(key instanceof Memory)) return this.#stack(map.key ?? INDEX, key as never);
    key.checkReadable();
    if (key.layout.size !== map.keySize) throw new RangeError(`expected a key of ${map.keySize} bytes, got ${key.layout.size}`);
    return key;
  }

  #mapValue<V>(map: MapSpec<never, V> | MapSpec<unknown, V>): Nullable<Memory<V>> {
    const { expression } = this.result(map.name);
    return new Nullable(expression, (base) => new Memory(this, valueLayout(map as MapSpec<unknown, V>), base, { kind: "map value" }));
  }

  // ── ring buffers ────────────────────────────────────────────────────────

  /**
   * Reserves a record and fills it in `then`, which must submit or discard it on each path, and set all fields before it submits.
   * `otherwise` is for when the ring is full.
   */
  reserve<V>(ring: MapSpec<never, V>, then: (record: RingRecord<V>) => void, otherwise?: () => void): void {
    this.begin();
    const source = this.emitter.source;
    const layout = valueLayout(ring as MapSpec<unknown, V>);
    this.#load([ring, expressionOf(layout.size), expressionOf(0)]);
    this.emitter.emit(form.call(CALL_ID.ringbuf_reserve, "ringbuf_reserve"));
    const { expression } = this.result("record");
    const record: HeldRecord = { ring: ring.name, reservedAt: source };
    const region: Region = { kind: "record", record, written: {} };
    const release = (how: "submit" | "discard", flags: number): void => {
      this.#load([expression, expressionOf(flags)]);
      const id = how === "submit" ? CALL_ID.ringbuf_submit : CALL_ID.ringbuf_discard;
      this.emitter.emit(form.call(id, `ringbuf_${how}`));
      this.state.release(record);
    };
    this.#choose(
      new Scalar(expression).ne(0),
      () => {
        this.state.hold(record);
        then(new RingRecord(this, layout, expression, region, release));
        if (this.emitter.isReachable && this.state.isHeld(record)) throw this.#leak(record);
      },
      otherwise,
    );
  }

  // ── packets ─────────────────────────────────────────────────────────────

  /**
   * The bytes of a packet from `offset` on that a `T` takes, where the packet has them; `otherwise` is for shorter packets.
   * An offset that is computed must have been masked to at most 16 bits.
   */
  packet<T>(
    context: PacketContext,
    layout: Layout<T>,
    then: (packet: Memory<T>) => void,
    otherwise?: () => void,
    offset: ScalarLike = 0,
  ): void {
    this.begin();
    const start = context.get("data");
    const home = this.#keep(offset instanceof Scalar ? start.add(offset).expression : start.add(offset).expression, "packet");
    const end: Expression = { kind: "binary", operation: "add", left: home, right: expressionOf(layout.size), bits: 64 };
    const fits = new Scalar(end).le(context.get("data_end"));
    this.#choose(fits, () => then(new Memory(this, layout, home, { kind: "packet" })), otherwise);
  }
}

const INDEX: Layout<number> = { kind: "integer", size: 4, alignment: 4, isSigned: false, isBigEndian: false, as: "number" };

function addressOf(argument: ScalarLike | AnyMemory | KernelPointer): Expression {
  return typeof argument === "object" && "base" in argument ? argument.base : expressionOf(argument);
}

function valueLayout<V>(map: MapSpec<unknown, V>): Layout<V> {
  if (map.value === undefined) throw new TypeError(`expected the map \`${map.name}\` to have a layout for its values`);
  return map.value;
}
