/**
 * Counts what leaves for a port of this host over the loopback interface: TCP segments that open a connection (SYN without ACK), over IPv4. It
 * is independent of what enforces, and counts below it.
 */
import {
  arrayMap,
  attachTcx,
  type Collection,
  KeyedMap,
  type Layout,
  loadCollection,
  type MapSpec,
  struct,
  TC_ACTION,
  trafficProgram,
  u16be,
  u64AsNumber,
} from "../../ebpf/index.ts";

const LOOPBACK_INDEX = 1;
const IPV4 = 0x0800;
const TCP = 6;
const SYN = 0x02;
const ACK = 0x10;

type Word =
  | "mac0"
  | "mac1"
  | "mac2"
  | "mac3"
  | "mac4"
  | "mac5"
  | "etherType"
  | "version"
  | "length"
  | "id"
  | "fragment"
  | "ttlAndProtocol"
  | "sum"
  | "source0"
  | "source1"
  | "target0"
  | "target1"
  | "sourcePort"
  | "targetPort"
  | "sequence0"
  | "sequence1"
  | "acknowledged0"
  | "acknowledged1"
  | "flags";

/** Ethernet, IPv4 without options, and TCP up to its flags, in words of 16 bits: IPv4 begins at an odd one. */
const FRAME: Layout<{ readonly [W in Word]: number }> = struct("frame", {
  mac0: u16be,
  mac1: u16be,
  mac2: u16be,
  mac3: u16be,
  mac4: u16be,
  mac5: u16be,
  etherType: u16be,
  version: u16be,
  length: u16be,
  id: u16be,
  fragment: u16be,
  ttlAndProtocol: u16be,
  sum: u16be,
  source0: u16be,
  source1: u16be,
  target0: u16be,
  target1: u16be,
  sourcePort: u16be,
  targetPort: u16be,
  sequence0: u16be,
  sequence1: u16be,
  acknowledged0: u16be,
  acknowledged1: u16be,
  flags: u16be,
});

export class SynCounter implements Disposable {
  readonly #counts: MapSpec<number, number> = arrayMap("syn_counts", { value: u64AsNumber, maxEntries: 1 });
  readonly #loaded: Collection;
  readonly #owned = new DisposableStack();

  /** Throws where the kernel has no such hook, or the user no right to it. */
  constructor(port: number) {
    const program = trafficProgram("demo_syn", { direction: "egress" }, (code, context) => {
      code.packet(context, FRAME, (frame) => {
        const isTcp = frame.get("etherType").eq(IPV4).and(frame.get("ttlAndProtocol").and(0xff).eq(TCP));
        const isOpening = frame
          .get("flags")
          .and(SYN | ACK)
          .eq(SYN);
        code.if(isTcp.and(frame.get("targetPort").eq(port)).and(isOpening), () => code.globalValue(this.#counts).incrementValue());
      });
      code.return(TC_ACTION.next);
    });
    try {
      this.#loaded = this.#owned.use(loadCollection({ programs: [program] }));
      this.#owned.use(attachTcx(this.#loaded.program(program), LOOPBACK_INDEX, "egress"));
    } catch (error) {
      this.#owned.dispose();
      throw error;
    }
  }

  /** Since it was made. */
  get count(): number {
    return new KeyedMap(this.#loaded.map(this.#counts)).get(0) ?? 0;
  }

  [Symbol.dispose](): void {
    this.#owned.dispose();
  }
}
