// A drill's report as one HTML file that needs nothing beside it: it can be mailed, printed and kept. It is
// well-formed XML as well, loads nothing and runs nothing, and whatever came from outside is text in it.
import type { DrillReport, DrillVmReport } from '../../contract/index.ts';

/** @param pictures are PNGs by their file's name; one that is missing is said to be. */
export function reportHtml(report: DrillReport, pictures: ReadonlyMap<string, Uint8Array>): string {
  const title = `Drill ${report.drillId}: ${report.verdict}`;
  return `<!DOCTYPE html>
<html lang="en" xmlns="http://www.w3.org/1999/xhtml">
<head>
<meta charset="utf-8" />
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'" />
<meta name="viewport" content="width=device-width, initial-scale=1" />
<title>${text(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<header>
<h1>Drill ${text(report.drillId)} ${badge(report.verdict)}</h1>
<p class="lead">${text(summary(report))}</p>
${report.reason === undefined ? '' : `<p class="reason">${text(report.reason)}</p>`}
</header>
${facts(report)}
${report.vms.map((vm) => vmSection(vm, report, pictures)).join('\n')}
${cleanUp(report)}
<footer>Made by Run Direct. Times count from the start of each VM's session.</footer>
</main>
</body>
</html>
`;
}

function summary({ vms, rtoMs }: DrillReport): string {
  const passed = vms.filter(({ verdict }) => verdict === 'passed').length;
  const target = rtoMs === undefined ? 'no time was set as a target' : `target ${duration(rtoMs)}`;
  return `${passed} of ${vms.length} VM${vms.length === 1 ? '' : 's'} came up as asked; ${target}.`;
}

function facts(report: DrillReport): string {
  const { startedAt, endedAt, vault, backupSet, target, host, portGroup, site } = report;
  const rows: [string, string][] = [
    ['Began', moment(startedAt)],
    ['Ended', `${moment(endedAt)} (after ${duration(Date.parse(endedAt) - Date.parse(startedAt))})`],
    ['Backup set', `${backupSet} in vault ${vault}`],
    ['Target', target],
    ['Host', host ?? 'none was chosen'],
    ['Network', `${portGroup}, on a vSwitch without uplink`],
    ['Site', site],
  ];
  const lines = rows.map(
    ([name, value]) => `<tr><th scope="row">${text(name)}</th><td>${text(value)}</td></tr>`,
  );
  return `<table>${lines.join('')}</table>`;
}

function vmSection(
  vm: DrillVmReport,
  report: DrillReport,
  pictures: ReadonlyMap<string, Uint8Array>,
): string {
  const rows: [string, string][] = [
    ['Powered on', after(vm.poweredOnMs)],
    ['Guest ready', after(vm.guestReadyMs)],
    ...(report.rtoMs === undefined ? [] : [['Target', duration(report.rtoMs)] as [string, string]]),
    ['Removed', after(vm.removedMs)],
    ['Backup job', vm.jobId ?? '–'],
    ['Session', vm.sessionId],
  ];
  const lines = rows.map(
    ([name, value]) => `<tr><th scope="row">${text(name)}</th><td>${text(value)}</td></tr>`,
  );
  return `<section>
<h2>${text(vm.vmName)} ${badge(vm.verdict)}</h2>
${vm.reason === undefined ? '' : `<p class="reason">${text(vm.reason)}</p>`}
${timeBar(vm, report.rtoMs)}
${vm.verdict === 'notRun' ? '' : `<table>${lines.join('')}</table>`}
${vm.notes.map((note) => `<p class="note">${text(note)}</p>`).join('\n')}
${picture(vm, pictures)}
</section>`;
}

/** The way from the command to the guest, against the target; nothing for a VM that never ran. */
function timeBar({ poweredOnMs, guestReadyMs }: DrillVmReport, rtoMs: number | undefined): string {
  if (poweredOnMs === undefined) return '';
  const endMs = guestReadyMs ?? poweredOnMs;
  const wholeMs = Math.max(endMs, rtoMs ?? 0, 1) * 1.05;
  const share = (ms: number): string => `${((100 * ms) / wholeMs).toFixed(2)}%`;
  const late = rtoMs !== undefined && endMs > rtoMs;
  const boot = guestReadyMs === undefined ? '' : bar('boot', poweredOnMs, guestReadyMs - poweredOnMs);
  const target = rtoMs === undefined ? '' : `<i class="target" style="left:${share(rtoMs)}"></i>`;
  const label = `powered on after ${duration(poweredOnMs)}, guest ready after ${after(guestReadyMs)}`;
  return (
    `<div class="bar${late ? ' late' : ''}" role="img" aria-label="${text(label)}">` +
    `${bar('start', 0, poweredOnMs)}${boot}${target}</div>` +
    '<p class="legend"><i class="start"></i> to powered on <i class="boot"></i> to guest ready' +
    `${rtoMs === undefined ? '' : ' <i class="target"></i> target'}</p>`
  );

  function bar(name: string, fromMs: number, lengthMs: number): string {
    return `<i class="${name}" style="left:${share(fromMs)};width:${share(lengthMs)}"></i>`;
  }
}

function picture(vm: DrillVmReport, pictures: ReadonlyMap<string, Uint8Array>): string {
  const file = vm.picture?.file;
  if (file === undefined) return '';
  const bytes = pictures.get(file);
  if (bytes === undefined) return `<p class="note">The picture ${text(file)} is not there any more.</p>`;
  const data = Buffer.from(bytes).toString('base64');
  return (
    `<figure><img alt="The console of ${text(vm.vmName)}" src="data:image/png;base64,${data}" />` +
    '<figcaption>The console when the verdict was found</figcaption></figure>'
  );
}

function cleanUp({ leftBehind }: DrillReport): string {
  if (leftBehind.length === 0) {
    return '<p class="clean">Nothing of the drill is left: VMs, datastore, changes and network are gone.</p>';
  }
  const items = leftBehind.map((what) => `<li>${text(what)}</li>`).join('');
  return `<div class="reason"><p>Left behind, to be removed by hand:</p><ul>${items}</ul></div>`;
}

const words = { passed: 'passed', failed: 'failed', notRun: 'not run' } as const;
const badge = (verdict: keyof typeof words): string => `<b class="badge ${verdict}">${words[verdict]}</b>`;

const after = (ms: number | undefined): string => (ms === undefined ? 'never' : duration(ms));

/** `850 ms`, `3.2 s`, `2 min 05 s`. */
function duration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 59_950) return `${(ms / 1_000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1_000);
  return `${Math.floor(seconds / 60)} min ${String(seconds % 60).padStart(2, '0')} s`;
}

const moment = (iso: string): string => `${iso.slice(0, 10)} ${iso.slice(11, 19)} UTC`;

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Text for an element or an attribute; characters that XML does not have, or that would turn text around, go. */
function text(raw: string): string {
  return raw
    .toWellFormed()
    .replace(/\p{Cc}|\p{Cf}|[\uFFFE\uFFFF]/gu, ' ')
    .replace(/[&<>"']/g, (character) => entities[character] ?? '');
}

const STYLE = `
:root{color-scheme:light dark;--ink:#1c2430;--dim:#5b6675;--page:#f6f7f9;--card:#fff;--line:#d9dee5;--ok:#1a7f4b;
--bad:#b3261e;--none:#6b7280;--start:#5b8def;--boot:#8fc7a4}
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ee;--dim:#9aa5b4;--page:#14181f;--card:#1c222b;--line:#333c49;
--ok:#2e9e64;--bad:#d9534a;--none:#8a94a3;--start:#4a78d0;--boot:#4f8f69}}
body{margin:0;background:var(--page);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
main{max-width:52rem;margin:0 auto;padding:2rem 1rem}
h1{font-size:1.6rem;margin:0}h2{font-size:1.2rem;margin:0 0 .5rem}
h1,h2,td{overflow-wrap:anywhere}
.lead{color:var(--dim);margin:.3rem 0 1rem}
section{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:1rem 1.2rem;margin:1.2rem 0}
.badge{font-size:.75em;color:#fff;border-radius:1em;padding:.1em .7em;vertical-align:middle;white-space:nowrap}
.passed{background:var(--ok)}.failed{background:var(--bad)}.notRun{background:var(--none)}
table{border-collapse:collapse;margin:.5rem 0}
th{text-align:left;font-weight:normal;color:var(--dim);padding:.1rem 1.5rem .1rem 0;vertical-align:top;white-space:nowrap}
td{font-variant-numeric:tabular-nums}
.reason{border-left:4px solid var(--bad);padding:.2rem 0 .2rem .8rem;margin:.6rem 0;overflow-wrap:anywhere}
.note{color:var(--dim);margin:.3rem 0}
.bar{position:relative;height:1.1rem;background:var(--line);border-radius:4px;overflow:hidden;margin:.6rem 0 .2rem}
.bar i{position:absolute;top:0;bottom:0}.start{background:var(--start)}.boot{background:var(--boot)}
.late .boot,.late+.legend .boot{background:var(--bad)}.bar .target{width:3px;margin-left:-1px;background:var(--ink)}
.legend{font-size:.8rem;color:var(--dim);margin:0}
.legend i{display:inline-block;width:.8em;height:.8em;border-radius:2px;margin-left:.8em}
.legend i:first-child{margin-left:0}.legend .target{width:3px;background:var(--ink)}
figure{margin:1rem 0 0}img{max-width:100%;border:1px solid var(--line);border-radius:4px}
figcaption,footer{font-size:.85rem;color:var(--dim)}
.clean{color:var(--ok)}
@media print{body{background:#fff}section{break-inside:avoid}}
`;
