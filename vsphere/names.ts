// vCenter keeps `/`, `\` and `%` out of the names of inventory objects: they are stored, sent and answered as
// %2f, %5c and %25. People see and type the plain form.

export function encodeName(name: string): string {
  return name.replaceAll('%', '%25').replaceAll('/', '%2f').replaceAll('\\', '%5c');
}

export function decodeName(name: string): string {
  return name.replace(/%2f/gi, '/').replace(/%5c/gi, '\\').replace(/%25/g, '%');
}
