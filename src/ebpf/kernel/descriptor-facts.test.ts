import { expect, test } from "vitest";
import { cpuCountOf } from "./cpu-count.ts";
import { parseDescriptorFacts } from "./descriptor-facts.ts";

test.each([
  [
    "pos:\t0\nprog_type:\t17\nprog_jited:\t1\nmemlock:\t4096\nprog_id:\t33\nrun_cnt:\t0\n",
    { kind: "program", id: 33, memoryBytes: 4096, name: "" },
  ],
  ["map_type:\t2\nkey_size:\t4\nmemlock:\t328\nmap_id:\t12\nfrozen:\t0\n", { kind: "map", id: 12, memoryBytes: 328, name: "" }],
  [
    "link_type:\traw_tracepoint\nlink_id:\t7\nprog_tag:\t0011\nprog_id:\t33\ntp_name:\tsys_enter\n",
    { kind: "link", id: 7, memoryBytes: 0, name: "sys_enter" },
  ],
  ["pos:\t0\nflags:\t0100000\nmnt_id:\t26\n", { kind: undefined, id: 0, memoryBytes: 0, name: "" }],
  ["", { kind: undefined, id: 0, memoryBytes: 0, name: "" }],
])("fdinfo %j says what a descriptor holds", (text, facts) => expect(parseDescriptorFacts(text)).toEqual(facts));

test.each([
  ["0", 1],
  ["0-3\n", 4],
  ["0-3,8,10-11", 7],
])("the list %j names its CPUs", (list, count) => expect(cpuCountOf(list)).toBe(count));

test.each(["", "3-1", "a", "0-3,"])("the list %j is refused", (list) => expect(() => cpuCountOf(list)).toThrow(RangeError));
