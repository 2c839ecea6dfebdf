/** What every program asks: who a cgroup is, who has an address, who listens at one, and what the policies say. */
import type { Code, Scalar, Subprogram, Variable } from "../ebpf/index.ts";
import { subprogram } from "../ebpf/index.ts";
import { AUDIT_BIT, DEEPEST_SHIFT, LISTENER_KEY, type NetworkMaps } from "./kernel-maps.ts";

/** Bits of what `decide` returns; the ground's number is in the upper half. */
export const DECISION = { allowed: 1, audited: 2, governed: 4 } as const;

export const ADDRESS_UNKNOWN = 4;

/** Depths of the hierarchy at which workloads may have their cgroups. */
export const MAX_CGROUP_LEVEL = 15;

/** Octets 10 to 15 of an IPv4-mapped address that is 0.0.0.0, as the lower half is read on a little-endian machine. */
export const IPV4_LOW = 0xffff_0000n;
export const LOOPBACK4 = 0x0100_007fn;
export const LOOPBACK6_LOW: bigint = 1n << 56n;

export interface Lookups {
  /** (cgroup, bank) → identity, or 0. */
  readonly identity: Subprogram;
  /** (upper half, lower half, bank) → identity << 32 | isLocal << 31 | node. */
  readonly address: Subprogram;
  /** (network, upper half, lower half, port << 16 | protocol) → the cgroup that listens there, or 0. */
  readonly listener: Subprogram;
  /**
   * (port << 16 | protocol << 8 | `ADDRESS_UNKNOWN` | bank << 1 | direction, identity, peer, node) → `DECISION`. With `ADDRESS_UNKNOWN`, what
   * may depend on the peer's address is allowed.
   */
  readonly decide: Subprogram;
}

/** Parameters of a subprogram are there: it is called with as many as it says. */
const given = (parameter: Scalar | undefined): Scalar => {
  if (parameter === undefined) throw new TypeError("a subprogram has fewer parameters than it uses");
  return parameter;
};

export function lookups({ banks, listeners }: NetworkMaps): Lookups {
  const identity = subprogram("identity", 2, (code, cgroup, bank) => {
    const { outer, inner } = banks.workloads;
    code.lookupIn(outer, given(bank), inner, given(cgroup), (found) => code.return(found.value()));
    code.return(0);
  });
  const address = subprogram("address", 3, (code, high, low, bank) => {
    const { outer, inner } = banks.addresses;
    const key = {
      bits: 128,
      a: given(high).low32(),
      b: given(high).shr(32),
      c: given(low).low32(),
      d: given(low).shr(32),
    };
    code.lookupIn(outer, given(bank), inner, key, (facts) =>
      code.return(facts.get("identity").shl(32).or(facts.get("isLocal").shl(31)).or(facts.get("node"))),
    );
    code.return(0);
  });
  const listener = subprogram("listener", 4, (code, network, high, low, where) => {
    const key = code.stack(LISTENER_KEY, {
      network: given(network),
      high: given(high),
      low: given(low),
      port: given(where).shr(16),
      protocol: given(where).and(0xffff),
      zero: 0,
    });
    const ask = (): void => code.ifNonNull(code.lookup(listeners, key), (found) => code.return(found.get("cgroup")));
    ask();
    // Bound to every address: of IPv4, or of both families.
    code.if(given(high).eq(0).and(given(low).and(0xffff_ffffn).eq(IPV4_LOW)), () => {
      key.set("low", IPV4_LOW);
      ask();
    });
    key.set("high", 0);
    key.set("low", 0);
    ask();
    code.return(0);
  });
  return { identity, address, listener, decide: decideProgram(banks) };
}

/** The three look-ups of `decideInKernel`. What is not found where something must be is denied. */
function decideProgram({ policies, peers, networks, cells, verdicts }: NetworkMaps["banks"]): Subprogram {
  return subprogram("decide", 4, (code, question, identity, peer, node) => {
    const bank = code.let(given(question).shr(1).and(1), "bank");
    const direction = given(question).and(1);
    const cell = code.variable(0, "cell");
    code.lookupIn(
      policies.outer,
      bank,
      policies.inner,
      { identity: given(identity), direction },
      (policy) => {
        code.if(given(question).hasAny(ADDRESS_UNKNOWN).and(policy.get("networkClasses").ne(1)), () => code.return(DECISION.allowed));
        const own = code.variable(policy.get("otherPeers"), "class");
        const network = code.variable(0, "network");
        code.lookupIn(peers.outer, bank, peers.inner, { policy: policy.get("policy"), member: given(peer) }, (found) =>
          code.assign(own, found.value()),
        );
        // Most policies say nothing of addresses.
        code.if(policy.get("networkClasses").ne(1), () =>
          code.lookupIn(networks.outer, bank, networks.inner, { policy: policy.get("policy"), member: given(node) }, (found) =>
            code.assign(network, found.value()),
          ),
        );
        code.assign(
          cell,
          policy
            .get("firstCell")
            .add(own.mul(policy.get("networkClasses")))
            .add(network),
        );
      },
      () => code.return(DECISION.allowed),
    );
    code.lookupIn(cells.outer, bank, cells.inner, cell, (table) => {
      const key = { bits: 64, table: table.value(), protocol: given(question).shr(8).and(0xff), port: given(question).shr(16).and(0xffff) };
      code.lookupIn(verdicts.outer, bank, verdicts.inner, key, (verdict) =>
        code.return(verdict.get("isAllowed").or(verdict.get("isAudited").shl(1)).or(DECISION.governed).or(verdict.get("ground").shl(32))),
      );
    });
    code.return(DECISION.governed);
  });
}

/** What is said of the bank that is in force. */
export function saidOfBank(code: Code, { state }: Pick<NetworkMaps, "state">, bank: Scalar): Variable {
  const fields = code.globalValue(state);
  const said = code.variable(fields.get("even"), "said of the bank");
  code.if(bank.ne(0), () => code.assign(said, fields.get("odd")));
  return said;
}

/** Not 0 when the set in force is in audit. */
export const auditOf = (said: Scalar): Scalar => said.and(AUDIT_BIT);

export interface Own {
  /** Of the workload, whichever cgroup below it the process is in; 0 when nothing here is about it. */
  readonly cgroup: Variable;
  readonly identity: Variable;
}

/** Which workload acts: the deepest of its cgroups that the set knows. `ancestor` is the id of the cgroup at a depth. */
export function identify(code: Code, asked: Lookups, levels: Scalar, bank: Scalar, ancestor: (level: Scalar) => Scalar): Own {
  const cgroup = code.variable(0, "cgroup");
  const identity = code.variable(0, "identity");
  const deepest = code.let(levels.shr(DEEPEST_SHIFT), "deepest");
  code.repeat(
    MAX_CGROUP_LEVEL + 1,
    (index, loop) => {
      code.if(code.let(index, "index").gt(deepest), () => loop.break());
      const level = code.let(deepest.sub(index), "level");
      code.if(levels.shr(level).and(1).eq(0), () => loop.continue());
      const candidate = code.let(ancestor(level), "candidate");
      code.if(candidate.eq(0), () => loop.continue());
      const found = code.let(code.callSubprogram(asked.identity, candidate, bank), "found");
      code.if(found.ne(0), () => {
        code.assign(cgroup, candidate);
        code.assign(identity, found);
        loop.break();
      });
    },
    { unroll: false },
  );
  return { cgroup, identity };
}

/** The ancestor of the process that runs, for `identify`. */
export const currentAncestor =
  (code: Code): ((level: Scalar) => Scalar) =>
  (level) =>
    code.call("get_current_ancestor_cgroup_id", level);
