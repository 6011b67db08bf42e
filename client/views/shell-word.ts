// A word of a command that somebody copies into a shell.

/** In single quotes wherever it is more than plain. */
export const shellWord = (text: string): string =>
  /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
