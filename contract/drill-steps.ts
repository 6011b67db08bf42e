// What a site can be asked to do for a drill, beside the steps of its sessions. Idempotent as all steps are; each
// acts for the drill whose Workflow called it, and for no other.
import type {
  DrillInput,
  DrillPicture,
  DrillReport,
  DrillReportFiles,
  DrillReportInput,
  DrillReportsInput,
  DrillReportsResult,
  DrillResult,
} from './drill.ts';
import type { Target } from './target.ts';

interface DrillStepInput {
  readonly drillId: string;
  readonly reportFolder: string | undefined;
}
export interface OpenDrillInput extends DrillStepInput {
  readonly target: Target;
  readonly placement: DrillInput['placement'];
}
export interface DrillPlace {
  readonly host: { readonly moref: string; readonly name: string };
}
export interface DrillNetworkInput {
  readonly drillId: string;
  readonly target: Target;
  readonly host: DrillPlace['host'];
}
export interface DrillPictureInput extends DrillStepInput {
  readonly sessionId: string;
  readonly target: Target;
  readonly moref: string;
}
export interface WriteDrillReportInput extends DrillStepInput {
  readonly report: DrillReport;
}

export interface DrillActivities {
  /** Chooses the host that all of the drill's VMs run on, and makes the report's folder. Touches no host. */
  openDrill(input: OpenDrillInput): Promise<DrillPlace>;
  makeDrillNetwork(input: DrillNetworkInput): Promise<void>;
  /** Never made is done; ResourceInUse while a VM is connected to it. */
  removeDrillNetwork(input: DrillNetworkInput): Promise<void>;
  /** Writes what the VM's console shows into the report's folder: pictures do not travel through Temporal. */
  takeDrillPicture(input: DrillPictureInput): Promise<DrillPicture>;
  writeDrillReport(input: WriteDrillReportInput): Promise<DrillReportFiles>;
  drillReports(input: DrillReportsInput): Promise<DrillReportsResult>;
  /** Throws ReportNotFound. */
  drillReport(input: DrillReportInput): Promise<DrillResult>;
}
