/** Policy sets swapped in the kernel under load: no allowed call may fail, and no denied one may pass. As root. */
import { swapUnderLoad } from "../network/swap-load.ts";

const CLIENTS = 50;
const only = (answers: Readonly<Record<string, number>>, wanted: string): boolean => Object.keys(answers).join() === wanted;

/** Whether every answer was the one that it had to be. */
export async function soakSwaps(swaps: number): Promise<boolean> {
  const { generations, allowed, denied, kept } = await swapUnderLoad({
    swaps,
    clients: CLIENTS,
    onProgress: (count) => console.log(`${count} swaps`),
  });
  console.log(`${generations} swaps with ${CLIENTS} clients`);
  console.log(`calls that all sets allow: ${JSON.stringify(allowed)}`);
  console.log(`calls that all sets deny: ${JSON.stringify(denied)}`);
  console.log(`on one connection throughout: ${JSON.stringify(kept)}`);
  return only(allowed, "answered") && only(denied, "EPERM") && only(kept, "answered");
}
