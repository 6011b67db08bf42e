// A vSAN datastore at the lab, a host alone and a vCenter: folders are made, used by their names, and deleted with
// the disks in them, through the same calls as anywhere else.
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { startLab } from '../lab/lab.ts';
import { connect } from './index.ts';

test.for(['esx', 'vcenter'] as const)('folders and disks of a vSAN: %s', async (model) => {
  await using lab = await startLab({ model });
  await using vsphere = await connect(lab);
  const { datastores } = await vsphere.inventory();
  expect(datastores.find(({ name }) => name === 'vsan1')).toMatchObject({ type: 'vsan', accessible: true });
  await lab.createVm({ name: 'web', bootable: false });

  const folder = await vsphere.makeDirectory('[vsan1] web');
  expect(folder).toMatch(/^\[vsan1\] [0-9a-f]{8}-/);
  expect(await vsphere.makeDirectory('[vsan1] web')).toBe(folder);
  expect(await vsphere.makeDirectory(folder)).toBe(folder);
  expect(await vsphere.lastingPath('[vsan1] web')).toBe(folder);
  expect(await vsphere.lastingPath('[vsan1] none')).toBe('[vsan1] none');
  expect(await vsphere.lastingPath('[datastore1] web')).toBe('[datastore1] web');
  expect(await vsphere.makeDirectory('[vsan1] web/inner')).toBe(`${folder}/inner`);
  await vsphere.uploadFile('[vsan1] web/inner/note.txt', new TextEncoder().encode('small'));
  expect(new TextDecoder().decode(await vsphere.downloadFile(`${folder}/inner/note.txt`))).toBe('small');
  await expect(vsphere.uploadFile('[vsan1] web/x-flat.vmdk', new Uint8Array(1))).rejects.toThrow('403');
  await expect(vsphere.uploadFile('[vsan1] new/note.txt', new Uint8Array(1))).rejects.toThrow('404');
  const spec = model === 'esx' ? { spec: { diskType: 'thin', adapterType: 'lsiLogic' } as const } : {};
  await vsphere.copyVirtualDisk({
    source: '[datastore1] web/web.vmdk',
    destination: '[vsan1] web/web.vmdk',
    ...spec,
  });
  const files = (await vsphere.listFolder('[vsan1] web'))?.map(({ path }) => path);
  expect(files?.toSorted()).toEqual([`${folder}/inner`, `${folder}/inner/note.txt`, `${folder}/web.vmdk`]);

  await vsphere.deleteDatastoreFile('[vsan1] web');
  await vsphere.deleteDatastoreFile('[vsan1] web');
  expect(await vsphere.listFolder('[vsan1] web')).toBeUndefined();
  expect(await vsphere.listFolder(folder)).toBeUndefined();
  expect(await readdir(join(lab.directory, 'objects', 'vsan1'))).toEqual([]);
});

test('a folder of a vSAN whose deletion breaks off still has the file that is to go last', async () => {
  await using lab = await startLab({ model: 'esx' });
  await using vsphere = await connect(lab);
  const folder = await vsphere.makeDirectory('[vsan1] owned');
  for (const name of ['a.txt', 'zz.mark']) {
    await vsphere.uploadFile(`[vsan1] owned/${name}`, new TextEncoder().encode(name));
  }
  const [first, second] = (await vsphere.listFolder('[vsan1] owned'))?.map(({ path }) => path) ?? [];
  expect([first, second]).toEqual([`${folder}/a.txt`, `${folder}/zz.mark`]);
  await lab.addFault({ method: 'DeleteDatastoreFile_Task', action: 'drop', times: 1 });
  await expect(vsphere.deleteDatastoreFile('[vsan1] owned', { last: 'zz.mark' })).rejects.toThrow();
  const left = async () => (await vsphere.listFolder('[vsan1] owned'))?.map(({ path }) => path);
  await expect.poll(left).toEqual([`${folder}/zz.mark`]);
  await vsphere.deleteDatastoreFile('[vsan1] owned', { last: 'zz.mark' });
  expect(await vsphere.listFolder('[vsan1] owned')).toBeUndefined();
});
