// The client's one error. What goes wrong at a site arrives as Temporal's failures instead; explain.ts puts both
// into words.

export type ClientErrorCode =
  /** The command line asks for something that can't be: exit code 2. */
  | 'Usage'
  /** Ctrl-C, or a prompt that was left: exit code 130. */
  | 'Interrupted'
  | 'TemporalUnreachable'
  | 'TemporalMisconfigured'
  /** Nobody listens on the Task Queue of the Workflows or of the site. */
  | 'NoWorker'
  /** Somebody listens, but did not answer in time. */
  | 'NoAnswer'
  | 'SessionNotFound'
  | 'SessionEnded'
  | 'SessionIdTaken'
  /** Its Workflow is open: what is asked for is for sessions whose Workflow has ended. */
  | 'SessionRuns'
  /** Of a session that is to be cleaned up. */
  | 'NothingLeft'
  /** Something in production that a person has to look at first. */
  | 'NotSettled'
  | 'DrillExists'
  | 'ScheduleExists'
  | 'ScheduleNotFound'
  | 'SiteKeyNotPinned'
  | 'SiteKeyChanged'
  | 'TargetNotPinned'
  | 'TargetChanged'
  | 'SecretUnreadable'
  | 'ConfigInvalid';

export class ClientError extends Error {
  override readonly name = 'ClientError';
  readonly code: ClientErrorCode;
  /** The way out, as a sentence. */
  readonly hint: string | undefined;
  constructor(code: ClientErrorCode, message: string, options: ErrorOptions & { hint?: string } = {}) {
    super(message, options);
    this.code = code;
    this.hint = options.hint;
  }
}
