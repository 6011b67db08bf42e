"""What pyvmomi sees of a target, as JSON: peer.py HOST PORT USER PASSWORD (for tests)."""
import json
import ssl
import sys

from pyVim.connect import Disconnect, SmartConnect
from pyVmomi import vim, vmodl


def main():
    host, port, user, password = sys.argv[1:]
    context = ssl._create_unverified_context()  # pylint: disable=protected-access
    service = SmartConnect(host=host, port=int(port), user=user, pwd=password, sslContext=context)
    try:
        content = service.RetrieveContent()
        print(json.dumps({
            "about": {"apiType": content.about.apiType, "version": content.about.version},
            "hosts": hosts(content), "datastores": datastores(content), "vms": machines(content),
        }))
    finally:
        Disconnect(service)


def all_of(content, kind, *paths):
    """(moref, {path: value}) of all of a kind. Paths name leaves: only what is compared has to be right."""
    collector = vmodl.query.PropertyCollector
    view = content.viewManager.CreateContainerView(content.rootFolder, [kind], True)
    try:
        traversal = collector.TraversalSpec(type=vim.view.ContainerView, path="view", skip=False)
        spec = collector.FilterSpec(
            propSet=[collector.PropertySpec(type=kind, pathSet=list(paths))],
            objectSet=[collector.ObjectSpec(obj=view, skip=True, selectSet=[traversal])])
        found = content.propertyCollector.RetrieveContents([spec])
        return sorted((moref(each.obj), {prop.name: prop.val for prop in each.propSet}) for each in found)
    finally:
        view.Destroy()


def moref(managed):
    return managed._moId  # pylint: disable=protected-access


def hosts(content):
    return [{"moref": key, "name": read["name"], "datastores": sorted(map(moref, read["datastore"]))}
            for key, read in all_of(content, vim.HostSystem, "name", "datastore")]


def datastores(content):
    paths = ("name", "info", "summary.type", "summary.capacity", "summary.accessible")
    return [datastore(key, read) for key, read in all_of(content, vim.Datastore, *paths)]


def datastore(key, read):
    nas = getattr(read["info"], "nas", None)
    return {"moref": key, "name": read["name"], "type": read["summary.type"],
            "capacityBytes": read["summary.capacity"], "accessible": read["summary.accessible"],
            "nas": nas and {"remoteHost": nas.remoteHost, "remotePath": nas.remotePath}}


def machines(content):
    paths = ("name", "summary.config.vmPathName", "runtime.powerState", "runtime.host", "config.uuid",
             "config.annotation", "config.extraConfig", "config.hardware.device")
    return [machine(key, read) for key, read in all_of(content, vim.VirtualMachine, *paths)]


def machine(key, read):
    devices = read["config.hardware.device"]
    return {
        "moref": key, "name": read["name"], "vmPathName": read["summary.config.vmPathName"],
        "powerState": read["runtime.powerState"], "host": moref(read["runtime.host"]), "uuid": read["config.uuid"],
        "annotation": read.get("config.annotation", ""),
        "extraConfig": {option.key: option.value for option in read["config.extraConfig"]},
        "disks": [{"key": each.key, "fileName": each.backing.fileName, "capacityBytes": each.capacityInBytes}
                  for each in devices if isinstance(each, vim.vm.device.VirtualDisk)],
        "nics": [{"key": each.key, "macAddress": each.macAddress, "startConnected": each.connectable.startConnected}
                 for each in devices if isinstance(each, vim.vm.device.VirtualEthernetCard)],
    }


if __name__ == "__main__":
    main()
