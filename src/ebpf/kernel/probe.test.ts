import { describe, expect, test } from "vitest";
import { VigilError } from "../../lib/error.ts";
import { LinuxCallError } from "../../linux/linux-error.ts";
import { VerifierError } from "./kernel-error.ts";
import { KernelProbe, type ProbeInput, runningKernel } from "./probe.ts";

const refusing = (error: Error, missing: readonly string[] = []): ProbeInput => {
  const refuse = (): never => {
    throw error;
  };
  return { load: refuse, create: refuse, btf: refuse, missing };
};
const NO_BTF = new VigilError("EBPF_NO_BTF", "this kernel does not show its types");
const verifier = (log: string): VerifierError => new VerifierError("refused", { program: "probe", log });

describe("a probe of the running kernel", () => {
  const probe = new KernelProbe();
  test.each(["tp_btf", "raw_tracepoint", "iter", "cgroup/connect4", "cgroup/recvmsg4", "cgroup/skb_egress", "xdp", "tcx"] as const)(
    "finds the hook %s",
    (hook) => expect(probe.hook(hook)).toEqual({ kind: "available" }),
  );
  test.each(["hash", "array", "percpu_array", "lru_hash", "lpm_trie", "ringbuf", "array_of_maps", "prog_array", "task_storage"] as const)(
    "finds maps of type %s",
    (type) => expect(probe.map(type)).toEqual({ kind: "available" }),
  );
  test("tells functions that a type of program may call from those that it may not", () => {
    expect(probe.kernelCall("ktime_get_ns", "xdp").kind).toBe("available");
    expect(probe.kernelCall("probe_read_user_str", "tp_btf").kind).toBe("available");
    expect(probe.kernelCall("skb_load_bytes", "xdp").kind).toBe("unavailable");
  });
});

describe("an answer", () => {
  test("without BTF is that what needs it is not there, and why; the rest still is", () => {
    const probe = new KernelProbe({ ...runningKernel(), btf: refusing(NO_BTF).btf });
    expect(probe.btf()).toEqual({ kind: "unavailable", reason: "this kernel does not show its types" });
    expect(probe.hook("tp_btf")).toEqual({ kind: "unavailable", reason: "this kernel does not show its types" });
    expect(probe.hook("cgroup/connect4")).toEqual({ kind: "available" });
    expect(probe.hook("raw_tracepoint")).toEqual({ kind: "available" });
  });

  test.each([
    ["EINVAL on an old kernel", new LinuxCallError("load", 22), [], "unavailable"],
    ["EPERM for somebody who may", new LinuxCallError("load", 1), [], "unavailable"],
    ["EINVAL for somebody who may not", new LinuxCallError("load", 22), ["CAP_BPF"], "unknown"],
    ["a missing capability", new VigilError("EBPF_PRIVILEGE", "cannot load without CAP_BPF"), ["CAP_BPF"], "unknown"],
    ["a lack of memory", new LinuxCallError("load", 12), [], "unknown"],
  ])("to %s says no more than is known", (_, error, missing, kind) => {
    const probe = new KernelProbe(refusing(error, missing));
    expect(probe.hook("xdp").kind).toBe(kind);
    expect(probe.map("hash").kind).toBe(kind);
  });

  test.each([
    ["unknown func bpf_send_signal#109", "unavailable"],
    ["invalid func unknown#109", "unavailable"],
    ["program of this type cannot use helper bpf_send_signal#109", "unavailable"],
    ["helper call is not allowed in probe", "unavailable"],
    ["helper call might sleep in a non-sleepable prog", "unavailable"],
    ["R1 !read_ok\nprocessed 1 insns (limit 1000000)", "available"],
    ["something that nobody has seen before", "unknown"],
  ])("about a function follows the verifier's words: %s", (log, kind) => {
    expect(new KernelProbe(refusing(verifier(`0: (85) call bpf_send_signal#109\n${log}`))).kernelCall("send_signal", "xdp").kind).toBe(
      kind,
    );
  });

  test("is asked for once, unless nothing could be found out", () => {
    let asked = 0;
    const counting = (errno: number): ProbeInput => ({
      ...runningKernel(),
      load: () => {
        asked++;
        throw new LinuxCallError("load", errno);
      },
    });
    const conclusive = new KernelProbe(counting(22));
    conclusive.hook("xdp");
    conclusive.hook("xdp");
    expect(asked).toBe(1);
    const inconclusive = new KernelProbe(counting(12));
    inconclusive.hook("xdp");
    inconclusive.hook("xdp");
    expect(asked).toBe(3);
  });
});
