// Which peers are processes of this machine.

export function isLoopback(address: string): boolean {
  return address === '::1' || address.startsWith('127.');
}
