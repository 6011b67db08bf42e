"""What pyvmomi sees of a target, as JSON: peer.py HOST PORT USER PASSWORD (for tests)."""
import json
import ssl
import sys

from pyVim.connect import Disconnect, SmartConnect
from pyVmomi import vim


def main():
    host, port, user, password = sys.argv[1:]
    context = ssl._create_unverified_context()  # pylint: disable=protected-access
    service = SmartConnect(host=host, port=int(port), user=user, pwd=password, sslContext=context)
    try:
        content = service.RetrieveContent()
        print(json.dumps({
            "about": {"apiType": content.about.apiType, "version": content.about.version},
            "hosts": [host_of(each) for each in all_of(content, vim.HostSystem)],
            "datastores": [datastore_of(each) for each in all_of(content, vim.Datastore)],
            "vms": [vm_of(each) for each in all_of(content, vim.VirtualMachine)],
        }))
    finally:
        Disconnect(service)


def all_of(content, kind):
    view = content.viewManager.CreateContainerView(content.rootFolder, [kind], True)
    try:
        return sorted(view.view, key=moref)
    finally:
        view.Destroy()


def moref(managed):
    return managed._moId  # pylint: disable=protected-access


def host_of(host):
    return {"moref": moref(host), "name": host.name, "datastores": sorted(map(moref, host.datastore)),
            "resourcePool": moref(host.parent.resourcePool)}


def datastore_of(datastore):
    info = datastore.info
    nas = getattr(info, "nas", None)
    return {"moref": moref(datastore), "name": datastore.name, "type": datastore.summary.type,
            "capacityBytes": datastore.summary.capacity, "accessible": datastore.summary.accessible,
            "nas": nas and {"remoteHost": nas.remoteHost, "remotePath": nas.remotePath}}


def vm_of(machine):
    devices = machine.config.hardware.device
    return {
        "moref": moref(machine), "name": machine.name, "vmPathName": machine.summary.config.vmPathName,
        "powerState": machine.runtime.powerState, "host": moref(machine.runtime.host),
        "uuid": machine.config.uuid, "annotation": machine.config.annotation or "",
        "extraConfig": {option.key: option.value for option in machine.config.extraConfig},
        "disks": [{"key": each.key, "fileName": each.backing.fileName, "capacityBytes": each.capacityInBytes}
                  for each in devices if isinstance(each, vim.vm.device.VirtualDisk)],
        "nics": [{"key": each.key, "macAddress": each.macAddress, "startConnected": each.connectable.startConnected}
                 for each in devices if isinstance(each, vim.vm.device.VirtualEthernetCard)],
    }


if __name__ == "__main__":
    main()
