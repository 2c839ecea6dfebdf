import { readFileSync } from "node:fs";

const AT_PAGESZ = 6n;

/** Bytes of a page of memory, as the kernel tells each process (getauxval(3)); 4096 on x86-64, up to 65,536 on arm64. */
export function pageSizeBytes(auxiliary: Uint8Array = readFileSync("/proc/self/auxv")): number {
  const words = new DataView(auxiliary.buffer, auxiliary.byteOffset, auxiliary.byteLength);
  for (let offset = 0; offset + 16 <= words.byteLength; offset += 16)
    if (words.getBigUint64(offset, true) === AT_PAGESZ) return Number(words.getBigUint64(offset + 8, true));
  throw new RangeError("expected the size of a page in the auxiliary vector");
}
