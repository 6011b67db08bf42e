// What client, workflows and activities share. Types and zod schemas; nothing here touches Node or Temporal.
export * from './activities.ts';
export * from './drill.ts';
export * from './drill-steps.ts';
export * from './failure-type.ts';
export * from './finalize.ts';
export * from './location.ts';
export * from './names.ts';
export * from './placement.ts';
export * from './prove.ts';
export * from './prove-steps.ts';
export * from './quantity.ts';
export * from './restore.ts';
export * from './restore-steps.ts';
export * from './secret.ts';
export * from './session.ts';
export * from './target.ts';
export * from './vault.ts';
