// The lab's guest, as somebody at its console: commands go in by the serial port, one line each way. What it
// acknowledges it has flushed to its disk.

/** Sends one command to a running guest and brings its one-line answer, without the id before it. */
export type Console = (command: string) => Promise<string>;

export interface Guest {
  /** How often this disk was booted, this time included. */
  boots(): Promise<number>;
  /** Appends a line to the guest's notes; durable when it returns. */
  write(note: string): Promise<void>;
  notes(): Promise<string[]>;
  /** Begins to write a numbered line every so often, each one acknowledged only when it is on the disk. */
  beginLog(everyMs: number): Promise<void>;
  /** Ends that; the number of the last line. */
  endLog(): Promise<number>;
  /** The lines of the log as they are on the disk. */
  log(): Promise<number[]>;
  /** SHA-256 of a whole disk (`sda`, `sdb`) as the guest reads it. */
  sum(disk: string): Promise<string>;
  writeDisk(disk: string, offsetBytes: number, text: string): Promise<void>;
  readDisk(disk: string, offsetBytes: number, countBytes: number): Promise<string>;
  /** Shuts the guest's operating system down; it powers itself off soon after. */
  shutDown(): Promise<void>;
}

export function guestAt(console: Console): Guest {
  const ask = async (command: string, expected: string): Promise<string> => {
    const answer = await console(command);
    const [word, ...rest] = answer.split(' ');
    if (word !== expected) throw new Error(`the guest answered "${answer}" to "${command}"`);
    return rest.join(' ').trim();
  };
  const askText = async (command: string): Promise<string> =>
    Buffer.from(await ask(command, 'DATA'), 'base64').toString('utf8');
  const askLines = async (command: string): Promise<string[]> =>
    (await askText(command)).split('\n').filter((line) => line !== '');
  const tell = async (command: string, expected: string): Promise<void> => {
    await ask(command, expected);
  };
  return {
    boots: async () => Number(await ask('BOOTS', 'BOOTS')),
    write: (note) => tell(`WRITE ${note}`, 'OK'),
    notes: () => askLines('READ'),
    beginLog: (everyMs) => tell(`LOG ${everyMs}`, 'OK'),
    endLog: async () => Number(await ask('UNLOG', 'OK')),
    log: async () => (await askLines('READLOG')).map(Number),
    sum: (disk) => ask(`SUM ${disk}`, 'SUM'),
    writeDisk: (disk, offsetBytes, text) => tell(`DISKWRITE ${disk} ${offsetBytes} ${text}`, 'OK'),
    readDisk: (disk, offsetBytes, countBytes) => askText(`DISKREAD ${disk} ${offsetBytes} ${countBytes}`),
    shutDown: () => tell('HALT', 'BYE'),
  };
}
