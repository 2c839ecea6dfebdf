/** The statements of a program. Control flow is written with functions: `code.if(condition, () => { … })`. */
import * as form from "../assembler/instructions.ts";
import type { SourcePosition } from "../instruction.ts";
import { type Layout, u32 } from "../layout.ts";
import type { MapSpec } from "../map-spec.ts";
import { Calls } from "./calls.ts";
import { type Expression, expressionOf, Scalar, type ScalarLike } from "./expression.ts";
import { R0 } from "./flow.ts";
import { CALL_ID } from "./kernel-call.ts";
import type { KernelPointer } from "./kernel-pointer.ts";
import { type Argument, Memory, type Region } from "./memory.ts";
import { Nullable } from "./nullable.ts";
import type { HeldRecord } from "./path-state.ts";
import { RingRecord } from "./ring-record.ts";
import type { Unit } from "./unit.ts";

/** A context with the start and the end of a packet. */
export interface PacketContext {
  get(field: "data" | "data_end"): Scalar;
}
/** All statements: those of `Flow` and `Calls`, and here maps, ring buffers and packets. */
export class Code extends Calls {
  protected createFunction(unit: Unit, name: string, source: SourcePosition): Code {
    return new Code(unit, name, [6, 7, 8, 9], source);
  }

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
    this.branchIf(new Scalar(found).eq(0), none, true);
    this.frame.enter();
    const keyed = this.#key(inner, key);
    this.emitter.evaluate(found, 1);
    this.emitter.evaluate(keyed.base, 2, [R0, 3, 4, 5]);
    this.emitter.emit(form.call(CALL_ID.map_lookup_elem, "map_lookup_elem"));
    const value = this.#mapValue(inner);
    const [pointer, isNull] = this.check(value);
    this.branchIf(isNull, none, true);
    this.inBlock(() => then(pointer));
    this.frame.leave();
    this.emitter.source = source;
    this.jumpTo(end);
    this.placeLabel(none);
    if (otherwise !== undefined) this.inBlock(otherwise);
    this.emitter.source = source;
    this.placeLabel(end);
  }

  /** The value of an array map that has one, without a call. */
  globalValue<V>(map: MapSpec<number, V>): Memory<V> {
    this.begin();
    if (map.type !== "array" || map.maxEntries !== 1) throw new TypeError("expected an array map of one entry");
    const home = this.frame.home(map.name, this.emitter.source);
    this.emitter.emit(form.loadMapValue(R0, map));
    this.emitter.keep(home);
    return new Memory(this, valueLayout(map), { kind: "home", home }, { kind: "map value" });
  }

  /** Puts a value at a key; 0, or a negative error. */
  update<K, V>(map: MapSpec<K, V>, key: Argument<K>, value: Argument<V>, when: "any" | "absent" | "present" = "any"): Scalar {
    this.begin();
    this.frame.enter();
    const at = this.#key(map, key);
    const stored = value instanceof Memory ? value : this.putOnStack(valueLayout(map), value);
    stored.checkReadable();
    const flags = { any: 0, absent: 1, present: 2 }[when];
    this.loadArguments([map, at.base, stored.base, expressionOf(flags)]);
    this.emitter.emit(form.call(CALL_ID.map_update_elem, "map_update_elem"));
    this.frame.leave();
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
    this.loadArguments([map, owner.base, expressionOf(0), expressionOf(options.create === true ? 1 : 0)]);
    this.emitter.emit(form.call(id, `${map.type}_get`));
    return this.#mapValue(map);
  }

  #keyed(map: MapSpec, key: unknown, id: number, name: string): void {
    this.frame.enter();
    const at = this.#key(map, key);
    this.loadArguments([map, at.base]);
    this.emitter.emit(form.call(id, name));
    this.frame.leave();
  }

  #key(map: MapSpec, key: unknown): Memory {
    if (!(key instanceof Memory)) return this.putOnStack(map.key ?? u32, key as never);
    key.checkReadable();
    if (key.layout.size !== map.keySize) throw new RangeError(`expected a key of ${map.keySize} bytes, got ${key.layout.size}`);
    return key;
  }

  #mapValue<V>(map: MapSpec<never, V> | MapSpec<unknown, V>): Nullable<Memory<V>> {
    const { expression } = this.result(map.name);
    return new Nullable(expression, (base) => new Memory(this, valueLayout(map as MapSpec<unknown, V>), base, { kind: "map value" }));
  }

  /**
   * Reserves a record and fills it in `then`, which must submit or discard it on each path, and set all fields before it submits.
   * `otherwise` is for when the ring is full.
   */
  reserve<V>(ring: MapSpec<never, V>, then: (record: RingRecord<V>) => void, otherwise?: () => void): void {
    this.begin();
    const source = this.emitter.source;
    const layout = valueLayout(ring as MapSpec<unknown, V>);
    this.loadArguments([ring, expressionOf(layout.size), expressionOf(0)]);
    this.emitter.emit(form.call(CALL_ID.ringbuf_reserve, "ringbuf_reserve"));
    const { expression } = this.result("record");
    const record: HeldRecord = { ring: ring.name, reservedAt: source };
    const region: Region = { kind: "record", record, written: {} };
    const release = (how: "submit" | "discard", flags: number): void => {
      this.loadArguments([expression, expressionOf(flags)]);
      const id = how === "submit" ? CALL_ID.ringbuf_submit : CALL_ID.ringbuf_discard;
      this.emitter.emit(form.call(id, `ringbuf_${how}`));
      this.state.release(record);
    };
    this.choose(
      new Scalar(expression).ne(0),
      () => {
        this.state.hold(record);
        then(new RingRecord(this, layout, expression, region, release));
        if (this.emitter.isReachable && this.state.isHeld(record)) throw this.leakOf(record);
      },
      otherwise,
    );
  }

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
    const home = this.keepValue(offset instanceof Scalar ? start.add(offset).expression : start.add(offset).expression, "packet");
    const end: Expression = { kind: "binary", operation: "add", left: home, right: expressionOf(layout.size), bits: 64 };
    const fits = new Scalar(end).le(context.get("data_end"));
    this.choose(fits, () => then(new Memory(this, layout, home, { kind: "packet" })), otherwise);
  }
}

function valueLayout<V>(map: MapSpec<unknown, V>): Layout<V> {
  if (map.value === undefined) throw new TypeError(`expected the map \`${map.name}\` to have a layout for its values`);
  return map.value;
}
