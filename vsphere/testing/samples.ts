// For tests: of every request that the client can send, one with everything that it may carry.
import type { Arguments } from '../schema/vim25.ts';

const reference = (type: string) => ({ type, value: `${type.toLowerCase()}-1` });

const RELOCATE_SPEC: Arguments['RelocateVM_Task']['spec'] = {
  folder: reference('Folder'),
  datastore: reference('Datastore'),
  diskMoveType: 'moveAllDiskBackingsAndDisallowSharing',
  pool: reference('ResourcePool'),
  host: reference('HostSystem'),
  disk: [
    {
      diskId: 2000,
      datastore: reference('Datastore'),
      diskMoveType: 'moveAllDiskBackingsAndConsolidate',
      diskBackingInfo: {
        $type: 'VirtualDiskFlatVer2BackingInfo',
        fileName: '',
        diskMode: 'persistent',
        thinProvisioned: true,
      },
    },
  ],
  transform: 'sparse',
  deviceChange: [
    {
      operation: 'edit',
      device: {
        $type: 'VirtualVmxnet3',
        key: 4000,
        backing: { $type: 'VirtualEthernetCardNetworkBackingInfo', deviceName: 'VM Network' },
      },
    },
  ],
};

const TWO_FILES: Arguments['CopyDatastoreFile_Task'] = {
  sourceName: '[ds] a/a.vmx',
  sourceDatacenter: reference('Datacenter'),
  destinationName: '[ds] b/b.vmx',
  destinationDatacenter: reference('Datacenter'),
  force: true,
};

export const samples: { readonly [M in keyof Arguments]: Arguments[M] } = {
  RetrieveServiceContent: {},
  CurrentTime: {},
  Login: { userName: 'root', password: 'p & <q>', locale: 'en' },
  Logout: {},
  CreateContainerView: { container: reference('Folder'), type: ['HostSystem', 'Datastore'], recursive: true },
  DestroyView: {},
  RetrievePropertiesEx: {
    specSet: [
      {
        propSet: [{ type: 'VirtualMachine', all: false, pathSet: ['name', 'config.extraConfig'] }],
        objectSet: [
          {
            obj: reference('ContainerView'),
            skip: true,
            selectSet: [
              {
                $type: 'TraversalSpec',
                name: 'view',
                type: 'ContainerView',
                path: 'view',
                skip: false,
                selectSet: [{ name: 'view' }],
              },
              { name: 'other' },
            ],
          },
        ],
        reportMissingObjectsInResults: true,
      },
    ],
    options: { maxObjects: 200 },
  },
  ContinueRetrievePropertiesEx: { token: '200' },
  CancelRetrievePropertiesEx: { token: '200' },
  CreatePropertyCollector: {},
  DestroyPropertyCollector: {},
  CreateFilter: {
    spec: {
      propSet: [{ type: 'Task', pathSet: ['info.state'] }],
      objectSet: [{ obj: reference('Task'), skip: false }],
    },
    partialUpdates: false,
  },
  WaitForUpdatesEx: { version: '7', options: { maxWaitSeconds: 30, maxObjectUpdates: 100 } },
  FindByDatastorePath: { datacenter: reference('Datacenter'), path: '[ds] a/a.vmx' },
  CreateNasDatastore: {
    spec: {
      remoteHost: '192.0.2.1',
      remotePath: '/rundirect/target',
      localPath: 'rundirect-site',
      accessMode: 'readWrite',
      type: 'NFS',
      userName: 'nobody',
      password: 'none',
      remoteHostNames: ['192.0.2.1'],
      securityType: 'AUTH_SYS',
    },
  },
  RemoveDatastore: { datastore: reference('Datastore') },
  RegisterVM_Task: {
    path: '[ds] a/a.vmx',
    name: 'a',
    asTemplate: false,
    pool: reference('ResourcePool'),
    host: reference('HostSystem'),
  },
  UnregisterVM: {},
  ReconfigVM_Task: {
    spec: {
      changeVersion: '2026-01-01T00:00:00Z',
      name: 'a',
      uuid: '4212a5f0-0000-0000-0000-000000000000',
      annotation: 'line\r\nline',
      numCPUs: 2,
      memoryMB: 4096,
      deviceChange: [
        {
          operation: 'edit',
          device: {
            $type: 'VirtualVmxnet3',
            key: 4000,
            deviceInfo: { label: 'Network adapter 1', summary: 'VM Network' },
            backing: {
              $type: 'VirtualEthernetCardNetworkBackingInfo',
              deviceName: 'VM Network',
              useAutoDetect: false,
              network: reference('Network'),
            },
            connectable: {
              migrateConnect: 'unset',
              startConnected: false,
              allowGuestControl: true,
              connected: false,
              status: 'ok',
            },
            controllerKey: 100,
            unitNumber: 7,
            addressType: 'assigned',
            macAddress: '00:50:56:00:00:01',
            wakeOnLanEnabled: true,
          },
        },
        {
          operation: 'edit',
          device: {
            $type: 'VirtualE1000e',
            key: 4001,
            backing: {
              $type: 'VirtualEthernetCardDistributedVirtualPortBackingInfo',
              port: {
                switchUuid: '50 2a',
                portgroupKey: 'dvportgroup-1',
                portKey: '8',
                connectionCookie: 12,
              },
            },
          },
        },
        {
          operation: 'add',
          device: {
            $type: 'ParaVirtualSCSIController',
            key: -100,
            busNumber: 1,
            hotAddRemove: true,
            sharedBus: 'noSharing',
          },
        },
        {
          operation: 'add',
          device: { $type: 'VirtualLsiLogicController', key: -101, busNumber: 2, sharedBus: 'noSharing' },
        },
        {
          operation: 'add',
          device: { $type: 'VirtualLsiLogicSASController', key: -102, busNumber: 3, sharedBus: 'noSharing' },
        },
        {
          operation: 'add',
          fileOperation: 'create',
          device: {
            $type: 'VirtualDisk',
            key: -1,
            backing: {
              $type: 'VirtualDiskFlatVer2BackingInfo',
              fileName: '[ds] a/b.vmdk',
              datastore: reference('Datastore'),
              diskMode: 'persistent',
            },
            controllerKey: -100,
            unitNumber: 0,
            capacityInKB: 1024,
            capacityInBytes: 1_048_576,
          },
        },
      ],
      extraConfig: [
        { key: 'rundirect.session', value: 'a-1' },
        { key: 'guestinfo.empty', value: '' },
      ],
      changeTrackingEnabled: true,
    },
  },
  AnswerVM: { questionId: '1', answerChoice: '2' },
  PowerOnVM_Task: { host: reference('HostSystem') },
  PowerOffVM_Task: {},
  ResetVM_Task: {},
  SuspendVM_Task: {},
  ShutdownGuest: {},
  CreateScreenshot_Task: {},
  CancelTask: {},
  RelocateVM_Task: { spec: RELOCATE_SPEC, priority: 'highPriority' },
  CheckRelocate_Task: {
    vm: reference('VirtualMachine'),
    spec: RELOCATE_SPEC,
    testType: ['sourceTests', 'datastoreTests'],
  },
  CreateSnapshotEx_Task: {
    name: 'a',
    description: 'b',
    memory: false,
    quiesceSpec: { timeout: 5 },
  },
  RemoveSnapshot_Task: { removeChildren: false, consolidate: true },
  RemoveAllSnapshots_Task: { consolidate: true },
  ConsolidateVMDisks_Task: {},
  CopyVirtualDisk_Task: {
    sourceName: '[ds] a/a.vmdk',
    sourceDatacenter: reference('Datacenter'),
    destName: '[production] a/a.vmdk',
    destDatacenter: reference('Datacenter'),
    destSpec: { diskType: 'thin', adapterType: 'lsiLogic' },
    force: false,
  },
  DeleteVirtualDisk_Task: { name: '[ds] a/a.vmdk', datacenter: reference('Datacenter') },
  MakeDirectory: { name: '[ds] a', datacenter: reference('Datacenter'), createParentDirectories: true },
  CopyDatastoreFile_Task: TWO_FILES,
  MoveDatastoreFile_Task: TWO_FILES,
  CreateDirectory: { datastore: reference('Datastore'), displayName: 'a', policy: '<none/>' },
  DeleteDirectory: { datacenter: reference('Datacenter'), datastorePath: '/vmfs/volumes/vsan:1/2' },
  ConvertNamespacePathToUuidPath: {
    datacenter: reference('Datacenter'),
    namespaceUrl: 'ds:///vmfs/volumes/vsan:1/web',
  },
  SearchDatastoreSubFolders_Task: {
    datastorePath: '[ds] a',
    searchSpec: {
      details: { fileType: true, fileSize: true, modification: true, fileOwner: false },
      searchCaseInsensitive: true,
      matchPattern: ['*.vmdk', '*.vmx'],
      sortFoldersFirst: true,
    },
  },
  Rename_Task: { newName: 'a%2fb' },
  Destroy_Task: {},
  AddVirtualSwitch: { vswitchName: 'drill', spec: { numPorts: 128, mtu: 1500 } },
  RemoveVirtualSwitch: { vswitchName: 'drill' },
  AddPortGroup: { portgrp: { name: 'drill', vlanId: 0, vswitchName: 'drill', policy: {} } },
  RemovePortGroup: { pgName: 'drill' },
  DeleteDatastoreFile_Task: { name: '[ds] a/a.png', datacenter: reference('Datacenter') },
};
