// Makes sure that Temporal has the namespace: a worker of one that is not there ends in the words of its machinery.
import { type Connection, isGrpcServiceError } from '@temporalio/client';
import { ConfigError } from './config.ts';

const GRPC_NOT_FOUND = 5;

/** Throws ConfigError. Who may not look is not kept from working. */
export async function requireNamespace(
  { workflowService }: Pick<Connection, 'workflowService'>,
  { address, namespace }: { readonly address: string; readonly namespace: string },
): Promise<void> {
  try {
    await workflowService.describeNamespace({ namespace });
  } catch (cause) {
    const code: number | undefined = isGrpcServiceError(cause) ? cause.code : undefined;
    if (code !== GRPC_NOT_FOUND) return;
    throw new ConfigError(
      `Temporal at ${address} has no namespace ${namespace}. Name the right one with --namespace, TEMPORAL_NAMESPACE or a ` +
        `profile, or have its operator run: temporal operator namespace create --namespace ${namespace}`,
      { cause },
    );
  }
}
