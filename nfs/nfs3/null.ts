// NULL: RFC 1813, section 3.3.0. Proves that the server answers.
import { type Nfs3Procedure } from './call.ts';

export const nullProcedure: Nfs3Procedure = {
  name: 'NULL',
  absentOnFailure: 0,
  run: () => () => undefined,
};
