// What a .vmx calls a device: `scsi0:1`, `ethernet0`. The API numbers devices instead; hosts and vCenter give each kind
// a range of keys, the same in every version, in which the number says which of the kind it is.
// Source: keys as ESXi 6.5 to 8 hands them out (ide 200, scsi 1000, ethernet 4000, sata 15000, nvme 31000).

interface Range {
  readonly kind: string;
  readonly firstKey: number;
  readonly count: number;
}

const CONTROLLERS = [
  { kind: 'ide', firstKey: 200, count: 2 },
  { kind: 'scsi', firstKey: 1000, count: 4 },
  { kind: 'sata', firstKey: 15000, count: 4 },
  { kind: 'nvme', firstKey: 31000, count: 4 },
] as const satisfies readonly Range[];
const CARDS: readonly Range[] = [{ kind: 'ethernet', firstKey: 4000, count: 10 }];

export type ControllerKind = (typeof CONTROLLERS)[number]['kind'];

/** Of `scsi0`; those after it follow one by one. */
export function firstControllerKey(kind: ControllerKind): number {
  return CONTROLLERS.find((each) => each.kind === kind)?.firstKey ?? Number.NaN;
}

/** Undefined for a disk on a controller of another kind. */
export function diskNode({
  controllerKey,
  unitNumber,
}: {
  readonly controllerKey?: number;
  readonly unitNumber?: number;
}): string | undefined {
  const controller = numbered(CONTROLLERS, controllerKey);
  return controller === undefined || unitNumber === undefined ? undefined : `${controller}:${unitNumber}`;
}

export const cardNode = ({ key }: { readonly key: number }): string | undefined => numbered(CARDS, key);

function numbered(ranges: readonly Range[], key: number | undefined): string | undefined {
  if (key === undefined) return undefined;
  const range = ranges.find(({ firstKey, count }) => key >= firstKey && key < firstKey + count);
  return range === undefined ? undefined : `${range.kind}${key - range.firstKey}`;
}
