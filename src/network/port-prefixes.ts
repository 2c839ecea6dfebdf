/** Ranges of ports as prefixes, as tables that match the longest prefix have them. */

export interface PortPrefix {
  readonly port: number;
  /** Leading bits that count, of 16. */
  readonly bits: number;
}

/** The fewest prefixes that are exactly `first` to `last`: at most 30. */
export function portPrefixes(first: number, last: number): readonly PortPrefix[] {
  const prefixes: PortPrefix[] = [];
  let port = first;
  while (port <= last) {
    let size = 1;
    while (port % (size * 2) === 0 && port + size * 2 - 1 <= last && size < 65_536) size *= 2;
    prefixes.push({ port, bits: 16 - Math.log2(size) });
    port += size;
  }
  return prefixes;
}
