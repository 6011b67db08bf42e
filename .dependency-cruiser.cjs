/** Who may import whom. Each rule says why; docs/ARCHITECTURE.md draws the same picture. */
const engines = '^(vault|nfs|vsphere|vm-folder|secrets|gateway)/';
const door = '/index\\.ts$';

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    {
      name: 'no-circular',
      severity: 'error',
      comment: 'A cycle has no order in which it can be understood, tested or replaced.',
      from: {},
      to: { circular: true },
    },
    {
      name: 'not-declared',
      severity: 'error',
      comment: 'A package that package.json does not name is there by chance and can go without notice.',
      from: {},
      to: { dependencyTypes: ['npm-no-pkg', 'npm-unknown'] },
    },
    {
      name: 'unresolvable',
      severity: 'error',
      comment: 'An import that leads nowhere fails at run time.',
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: 'contract-stands-alone',
      severity: 'error',
      comment: 'Everybody speaks through contract/, so it may depend on nobody, not even on Node.',
      from: { path: '^contract/', pathNot: '\\.test\\.ts$' },
      to: { pathNot: ['^contract/', '^node_modules/zod/'] },
    },
    {
      name: 'workflows-import-contract-only',
      severity: 'error',
      comment:
        'Workflow code is replayed: whatever it runs must be deterministic. Activities are called, not run.',
      from: { path: '^workflows/', pathNot: '\\.test\\.ts$' },
      to: {
        pathNot: [
          '^workflows/',
          '^contract/',
          '^node_modules/@temporalio/(workflow|common)/',
          '^node_modules/zod/',
        ],
        dependencyTypesNot: ['type-only'],
      },
    },
    {
      name: 'workflows-know-only-activity-types',
      severity: 'error',
      comment: 'Of activities, a Workflow may know the signatures and nothing else.',
      from: { path: '^workflows/', pathNot: '\\.test\\.ts$' },
      to: {
        path: '^(activities|worker|client|gateway|vault|nfs|vsphere|vm-folder|secrets)/',
        pathNot: '^activities/index\\.ts$',
      },
    },
    {
      name: 'engines-stand-apart',
      severity: 'error',
      comment:
        'vault, nfs, vsphere and vm-folder can be understood, tested and replaced one by one; only gateway joins vault and nfs.',
      from: { path: '^(vault|nfs|vsphere|vm-folder|secrets)/' },
      to: {
        path: '^(vault|nfs|vsphere|vm-folder|secrets|gateway|activities|workflows|worker|client|contract)/',
        pathNot: '^$1/',
      },
    },
    {
      name: 'gateway-joins-vault-and-nfs',
      severity: 'error',
      comment:
        'The gateway serves what the vault holds over NFS. It knows no host, no Workflow and no Temporal.',
      from: { path: '^gateway/', pathNot: '\\.test\\.ts$' },
      to: { path: '^(vsphere|activities|workflows|worker|client|contract)/' },
    },
    {
      name: 'engines-know-no-temporal',
      severity: 'error',
      comment: 'An engine works without Temporal, so that it can be tested without it and outlive it.',
      from: { path: engines },
      to: { path: '^node_modules/@temporalio/' },
    },
    {
      name: 'engine-by-its-door',
      severity: 'error',
      comment: "An engine's door is its index.ts: what is not there is its own affair.",
      from: { path: '^([^/]+)/' },
      to: { path: '^(vault|nfs|vsphere|vm-folder|secrets|gateway)/', pathNot: ['^$1/', door] },
    },
    {
      name: 'client-is-a-client-of-temporal',
      severity: 'error',
      comment:
        'The CLI opens no vault, no gateway and no host: it starts Workflows and asks them. Sealing a secret is all it shares with a site.',
      from: { path: '^client/', pathNot: ['\\.test\\.ts$'] },
      to: { path: '^(vault|nfs|vsphere|vm-folder|gateway|activities)/' },
    },
    {
      name: 'only-compose-constructs-engines',
      severity: 'error',
      comment:
        'One place knows how the engines are put together; all others are handed what they need. (Types are free.)',
      from: { path: '^(worker)/', pathNot: ['^worker/compose\\.ts$', '\\.test\\.ts$'] },
      to: { path: engines, dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'nobody-imports-lab-or-test',
      severity: 'error',
      comment: 'The product runs without its lab, its demo, its tests, its set-up and its benchmarks.',
      from: { pathNot: ['^(lab|demo|test|setup|bench)/', '\\.test\\.ts$'] },
      to: { path: '^(lab|demo|test|setup|bench)/' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(lab/bin|coverage)/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
      exportsFields: ['exports'],
    },
  },
};
