// Versions of the vim25 API: dotted numbers, compared part by part (`6.5` < `6.7.1` < `8.0.3.0` = `8.0.3`).

export function isAtLeast(version: string, needed: string): boolean {
  return compareVersions(version, needed) >= 0;
}

export function compareVersions(one: string, other: string): number {
  const left = numbersOf(one);
  const right = numbersOf(other);
  for (let index = 0; index < Math.max(left.length, right.length); index++) {
    const difference = (left[index] ?? 0) - (right[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

function numbersOf(version: string): number[] {
  return version.split('.').map((part) => Number.parseInt(part, 10) || 0);
}
