// Proofs in the lab, and that nothing is left of them: looked for at the host, the gateway and on the disks, not
// asked of the proof.
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { expect } from 'vitest';
import type { ProvePrimitive, ProveResult, ProveRow } from '../../contract/index.ts';
import type { CommandResult } from '../../demo/command-line.ts';
import type { House } from '../../demo/house.ts';
import { leftovers } from '../../demo/leftovers.ts';
import { connect } from '../../vsphere/index.ts';

export interface Proved {
  readonly code: number;
  readonly result: ProveResult;
  readonly row: (primitive: ProvePrimitive) => ProveRow | undefined;
  /** Primitives of any other outcome. */
  readonly not: (outcome: ProveRow['outcome']) => readonly ProvePrimitive[];
}

export const prove = async (house: House, ...flags: readonly string[]): Promise<Proved> =>
  proved(await house.run(['prove', ...house.targetFlags, ...flags]));

/** Starts one, and answers its id. */
export async function beginProof(house: House, ...flags: readonly string[]): Promise<string> {
  const last = await house.succeed(['prove', '--detach', ...house.targetFlags, ...flags]);
  return last['proveId'] as string;
}

export const followProof = async (house: House, proveId: string): Promise<Proved> =>
  proved(await house.run(['prove', '--follow', proveId]));

function proved({ code, documents, stderr }: CommandResult): Proved {
  const result = documents.at(-1) as unknown as ProveResult | undefined;
  if (result?.rows === undefined)
    throw new Error(`the proof ended with ${code}, without a result: ${stderr}`);
  return {
    ...{ code, result },
    row: (primitive) => result.rows.find((row) => row.primitive === primitive),
    not: (outcome) => result.rows.filter((row) => row.outcome !== outcome).map(({ primitive }) => primitive),
  };
}

/** Of any proof: at the target, at the gateway, in the site's state folder, on production storage. */
export async function expectNothingLeft({ stack }: House): Promise<void> {
  expect(await leftovers(stack)).toEqual([]);
  await using vsphere = await connect(stack.lab.ready);
  const names: string[] = [];
  for await (const { name } of vsphere.listVms()) names.push(name);
  for (const { networks } of (await vsphere.inventory()).hosts)
    names.push(...networks.map(({ name }) => name));
  for (const { path: folder } of stack.lab.ready.datastores) names.push(...(await readdir(folder)));
  names.push(...(await readdir(path.join(stack.site.stateFolder, 'proofs')).catch(() => [])));
  expect(names.filter((name) => name.includes('prove'))).toEqual([]);
}
