/** How everything here is measured: CPU time of the process, many batches, engines taking turns, the median quoted. */

export interface Contestant {
  readonly name: string;
  /** Runs `iterations` times and returns the CPU time in nanoseconds. */
  run(iterations: number): Promise<number>;
}

export interface Measured {
  readonly name: string;
  /** Nanoseconds of CPU per iteration, one number per round, sorted. */
  readonly samples: readonly number[];
  readonly median: number;
}

const TARGET_BATCH_NS = 30e6;

export const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

/** CPU time of this process in nanoseconds, the collector's and the compiler's threads included. */
export function cpuNs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) * 1000;
}

/** How many iterations fill a batch, after a warm-up that lets the optimiser finish. */
async function calibrate(contestant: Contestant): Promise<number> {
  let iterations = 16;
  for (;;) {
    const ns = await contestant.run(iterations);
    if (ns >= TARGET_BATCH_NS || iterations >= 1 << 24) return iterations;
    iterations = Math.min(iterations * (ns < TARGET_BATCH_NS / 8 ? 4 : 2), 1 << 24);
  }
}

/** Lets the contestants take turns, so that a noisy neighbour disturbs all of them alike. */
export async function compete(contestants: readonly Contestant[], rounds = 15): Promise<readonly Measured[]> {
  const entries: { contestant: Contestant; iterations: number; samples: number[] }[] = [];
  for (const contestant of contestants) entries.push({ contestant, iterations: await calibrate(contestant), samples: [] });
  for (let round = 0; round < rounds; round++) {
    for (const entry of entries) entry.samples.push((await entry.contestant.run(entry.iterations)) / entry.iterations);
  }
  return entries.map(({ contestant, samples }) => ({
    name: contestant.name,
    samples: samples.sort((a, b) => a - b),
    median: median(samples),
  }));
}

/** A contestant from a function in this process that answers for input number i. */
export function inProcess(name: string, inputCount: number, judge: (i: number) => boolean): Contestant {
  return {
    name,
    run: async (iterations) => {
      let trues = 0;
      const start = cpuNs();
      for (let i = 0; i < iterations; i++) if (judge(i % inputCount)) trues++;
      const spent = cpuNs() - start;
      if (trues === 0 || trues === iterations) throw new Error(`${name}: the expression must pass some inputs and fail others`);
      return spent;
    },
  };
}
