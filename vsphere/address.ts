// Where a target answers, as it stands in URLs and messages.

/** `HOST:PORT`; an IPv6 address stands in brackets. */
export const addressOf = (host: string, port: number): string =>
  host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
