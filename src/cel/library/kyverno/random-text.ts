/** Random texts that a regular expression matches. */
import type { CharSet } from "../../regex/char-set.ts";
import type { Pattern } from "../../regex/pattern.ts";

/** What `*`, `+` and `{n,}` add at most to the least number of repetitions. */
const MAX_EXTRA_REPETITIONS = 32;
/** Characters of one text. */
const MAX_LENGTH = 4096;

/**
 * A text that the pattern matches, apart from its assertions, which are ignored; undefined when it would be longer than 4096
 * characters. `random` gives numbers in [0, 1).
 */
export function randomText(pattern: Pattern, random: () => number): string | undefined {
  const characters: string[] = [];
  return append(pattern, random, characters) ? characters.join("") : undefined;
}

const below = (limit: number, random: () => number): number => Math.floor(random() * limit);

/** False when the text got too long. */
function append(pattern: Pattern, random: () => number, characters: string[]): boolean {
  switch (pattern.kind) {
    case "empty":
    case "assertion":
      return true;
    case "set":
      characters.push(randomCharacter(pattern.set, random));
      return characters.length <= MAX_LENGTH;
    case "sequence":
      return pattern.parts.every((part) => append(part, random, characters));
    case "choice": {
      const branch = pattern.branches[below(pattern.branches.length, random)];
      return branch === undefined || append(branch, random, characters);
    }
    case "repeat": {
      const most = Math.min(pattern.max, pattern.min + MAX_EXTRA_REPETITIONS);
      const times = pattern.min + below(most - pattern.min + 1, random);
      for (let time = 0; time < times; time++) if (!append(pattern.body, random, characters)) return false;
      return true;
    }
    case "group":
      return append(pattern.body, random, characters);
    default:
      return pattern satisfies never;
  }
}

const PRINTABLE_ASCII = [0x20, 0x7e] as const;

/** A printable character of ASCII where the set has one, else any of its characters. */
function randomCharacter(set: CharSet, random: () => number): string {
  const printable = rangesWithin(set, PRINTABLE_ASCII);
  const ranges = printable.length > 0 ? printable : rangesWithin(set, [0, 0xd7ff]).concat(rangesWithin(set, [0xe000, 0x10ffff]));
  const count = ranges.reduce((sum, [low, high]) => sum + high - low + 1, 0);
  let index = below(count, random);
  for (const [low, high] of ranges) {
    if (index <= high - low) return String.fromCodePoint(low + index);
    index -= high - low + 1;
  }
  return "";
}

type Range = readonly [low: number, high: number];

function rangesWithin(set: CharSet, [first, last]: Range): readonly Range[] {
  const ranges: Range[] = [];
  for (let index = 0; index < set.length; index += 2) {
    const low = Math.max(set[index] ?? 0, first);
    const high = Math.min(set[index + 1] ?? 0, last);
    if (low <= high) ranges.push([low, high]);
  }
  return ranges;
}
