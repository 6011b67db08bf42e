#!/usr/bin/env python3
"""Writes vim25.ts and vim25.xsd, from pyvmomi's type table and selection.json.

    generate.py [--check] [FOLDER THAT HOLDS pyVmomi]

vim25 is a schema of sequences: a real host refuses elements in the wrong order, or fields that its version
does not know. pyvmomi (Apache-2.0, PyPI) carries, for every type and method, the fields in their order, which
of them may be absent, and the version that brought them. What this project sends and reads is named in
selection.json; this script copies just that. A field whose type is not selected is left out, and refused if
it is not optional. `--check` writes nothing and fails when the files are not what would be written.
"""
import json
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
F_LINK = 1
F_OPTIONAL = 4
# The oldest servers that are spoken to; a field without `since` is older than that or as old.
OLDEST_VERSION = (6, 5)

PRIMITIVES = {
    "string": ("string", "string"),
    "boolean": ("boolean", "boolean"),
    "byte": ("byte", "number"),
    "short": ("short", "number"),
    "int": ("int", "number"),
    "long": ("long", "number"),
    "float": ("float", "number"),
    "double": ("double", "number"),
    "vmodl.DateTime": ("dateTime", "string"),
    "vmodl.TypeName": ("string", "string"),
    "vmodl.PropertyPath": ("string", "string"),
    "vmodl.MethodName": ("string", "string"),
    "vmodl.URI": ("anyURI", "string"),
    "anyType": ("anyType", "unknown"),
}


# On the wire a fault in a field is wrapped in a LocalizedMethodFault; only there it stands by itself.
RAW_FAULT = "MethodFault in LocalizedMethodFault"


class Table:
    """pyvmomi's own files, run with collectors in place of its constructors."""

    def __init__(self, package):
        self.data, self.enums, self.managed, self.versions, self.parents = {}, {}, {}, {}, {}
        # Three that pyvmomi builds by hand instead of listing them.
        self.add_data("vmodl.MethodFault", "MethodFault", "vmodl.DynamicData", "", [
            ("faultCause", "vmodl.LocalizedMethodFault", "", F_OPTIONAL),
            ("faultMessage", "vmodl.LocalizableMessage[]", "", F_OPTIONAL)])
        self.add_data("vmodl.RuntimeFault", "RuntimeFault", "vmodl.MethodFault", "", None)
        self.add_data("vmodl.LocalizedMethodFault", "LocalizedMethodFault", "vmodl.DynamicData", "", [
            ("fault", RAW_FAULT, "", 0), ("localizedMessage", "string", "", F_OPTIONAL)])
        for name in ("core", "query", "vim"):
            with open(os.path.join(package, f"_typeinfo_{name}.py"), encoding="utf-8") as file:
                source = re.sub(r"^from .*$", "", file.read(), flags=re.M)
            exec(compile(source, name, "exec"), {
                "CreateDataType": self.add_data, "CreateEnumType": self.add_enum,
                "CreateManagedType": self.add_managed, "AddVersion": self.add_version,
                "AddVersionParent": lambda child, parent: self.parents.setdefault(child, set()).add(parent),
                "AddBreakingChangesInfo": lambda *_: None, "newestVersions": Ignore(),
                "ltsVersions": Ignore(), "oldestVersions": Ignore(), "stableVersions": Ignore(),
                "dottedVersions": Ignore(), "F_LINK": F_LINK, "F_LINKABLE": 2, "F_OPTIONAL": F_OPTIONAL, "F_SECRET": 8,
            })
        self.by_wsdl = {entry["wsdl"]: name for name, entry in {**self.managed, **self.data}.items()}
        self.enum_by_wsdl = {entry["wsdl"]: name for name, entry in self.enums.items()}
        self.methods = {}
        for name, entry in self.managed.items():
            for method in entry["methods"]:
                self.methods.setdefault(method[1], (name, method))

    def add_data(self, name, wsdl, base, _version, fields):
        self.data[name] = {"wsdl": wsdl, "base": base, "fields": fields or []}

    def add_enum(self, name, wsdl, _version, values):
        self.enums[name] = {"wsdl": wsdl, "values": values}

    def add_managed(self, name, wsdl, base, _version, props, methods=None):
        self.managed[name] = {"wsdl": wsdl, "base": base, "props": props or [], "methods": methods or []}

    def add_version(self, name, namespace, number, _legacy, _service):
        self.versions[name] = number if namespace in ("vim2", "vim25") and number[:1].isdigit() else ""

    def since(self, version):
        """The vim25 release that brought it, as a tuple; a version without number came with its first child."""
        number = self.versions.get(version, "")
        if number:
            return release(number)
        children = [release(self.versions[child]) for child, parents in self.parents.items()
                    if version in parents and self.versions.get(child)]
        return min(children, default=(0,))

    def fields_of(self, name):
        """A data type's own fields and those of its bases, in the order of the wire."""
        if name not in self.data or name == "vmodl.DynamicData":
            return []
        entry = self.data[name]
        return self.fields_of(entry["base"]) + list(entry["fields"])

    def props_of(self, name):
        if name not in self.managed:
            return []
        entry = self.managed[name]
        return self.props_of(entry["base"]) + list(entry["props"])

    def is_a(self, name, base):
        while name in self.data:
            if name == base:
                return True
            name = self.data[name]["base"]
        return False


class Ignore:
    def Add(self, *_):  # pylint: disable=invalid-name
        pass


def release(number):
    return tuple(int(part) for part in re.match(r"[\d.]+", number).group(0).strip(".").split("."))


class Selection:
    def __init__(self, table, chosen):
        self.table = table
        self.types = {table.by_wsdl[wsdl] for wsdl in chosen["types"]}
        # A base carries fields of its own, so it comes along.
        for name in list(self.types):
            while table.data[name]["base"] in table.data and table.data[name]["base"] != "vmodl.DynamicData":
                name = table.data[name]["base"]
                self.types.add(name)
        self.enums = set()
        self.methods = chosen["methods"]
        self.properties = chosen["properties"]
        self.fault_families = {table.by_wsdl[wsdl] for wsdl in chosen["faultFamilies"]}

    def resolve(self, vmodl):
        """(wire type, is it a list, TypeScript type), or None where the type is not selected."""
        is_list = vmodl.endswith("[]")
        name = vmodl[:-2] if is_list else vmodl
        table = self.table
        if name == RAW_FAULT:
            wire = script = "MethodFault"
        elif name == "vmodl.MethodFault":
            wire = script = "LocalizedMethodFault"
        elif name in PRIMITIVES:
            wire, script = PRIMITIVES[name]
        elif name in table.managed or name == "vmodl.ManagedObject":
            wire, script = "ManagedObjectReference", "ManagedObjectReference"
        elif name in table.enums:
            self.enums.add(name)
            wire = table.enums[name]["wsdl"]
            script = wire
        elif name in self.types:
            wire = table.data[name]["wsdl"]
            subtypes = sorted(table.data[other]["wsdl"] for other in self.types
                              if other != name and table.is_a(other, name))
            script = " | ".join([wire, *subtypes])
        else:
            return None
        return wire, is_list, script

    def field(self, owner, name, vmodl, version, flags):
        if flags & F_LINK:
            # What is linked to goes by its key.
            vmodl = "string[]" if vmodl.endswith("[]") else "string"
        resolved = self.resolve(vmodl)
        optional = bool(flags & F_OPTIONAL)
        if resolved is None:
            if not optional:
                raise SystemExit(f"{owner}.{name} is needed, but its type {vmodl} is not selected")
            return None
        wire, is_list, script = resolved
        since = self.table.since(version)
        return {"name": name, "type": wire, "list": is_list, "optional": optional, "script": script,
                "since": ".".join(map(str, since)) if since > OLDEST_VERSION else None}

    def data_types(self):
        for name in sorted(self.types, key=lambda each: self.table.data[each]["wsdl"]):
            entry = self.table.data[name]
            fields = [self.field(entry["wsdl"], *field[:4]) for field in self.table.fields_of(name)]
            own = [self.field(entry["wsdl"], *field[:4]) for field in entry["fields"]]
            base = self.table.data[entry["base"]]["wsdl"] if entry["base"] in self.types else None
            yield entry["wsdl"], base, [each for each in fields if each], [each for each in own if each]

    def method_entries(self):
        for wsdl in self.methods:
            owner, method = self.table.methods[wsdl]
            _, _, version, params, (_, returned, _), _, _ = method
            fields = [self.field(wsdl, *param[:4]) for param in params]
            since = self.table.since(version)
            if since > OLDEST_VERSION:
                raise SystemExit(f"{wsdl} is newer than the oldest server")
            result = None if returned == "void" else self.resolve(returned)
            if returned != "void" and result is None:
                raise SystemExit(f"{wsdl} returns {returned}, which is not selected")
            yield wsdl, self.table.managed[owner]["wsdl"], [each for each in fields if each], result

    def property_entries(self):
        for wsdl, paths in self.properties.items():
            yield wsdl, [self.property(wsdl, path) for path in paths]

    def property(self, wsdl, path):
        fields, vmodl, version = self.table.props_of(self.table.by_wsdl[wsdl]), None, ""
        newest = (0,)
        for step in path.split("."):
            found = [field for field in fields if field[0] == step]
            if not found:
                raise SystemExit(f"{wsdl} has no property {path}")
            _, vmodl, version = found[0][:3]
            newest = max(newest, self.table.since(version))
            fields = self.table.fields_of(vmodl)
        resolved = self.resolve(vmodl)
        if resolved is None:
            raise SystemExit(f"{wsdl}.{path} is a {vmodl}, which is not selected")
        wire, is_list, script = resolved
        return {"name": path, "type": wire, "list": is_list, "optional": False, "script": script,
                "since": ".".join(map(str, newest)) if newest > OLDEST_VERSION else None}

    def fault_bases(self):
        """Faults below the selected families, each with what it is a kind of."""
        for name, entry in sorted(self.table.data.items(), key=lambda item: item[1]["wsdl"]):
            if any(name != family and self.table.is_a(name, family) for family in self.fault_families):
                yield entry["wsdl"], self.table.data[entry["base"]]["wsdl"]


HEADER = """// Generated by generate.py from pyvmomi {version} and selection.json. Do not edit; add to the selection instead.
// Lists are in the order of the wire. `since` is given where a field is newer than 6.5, the oldest server.
"""


def typescript(selection, version):
    lines = [HEADER.format(version=version)]
    out = lines.append
    newest = max(map(release, filter(None, selection.table.versions.values())))
    out("/** The API versions between which the table holds. */")
    out(f"export const OLDEST_VERSION = '{'.'.join(map(str, OLDEST_VERSION))}';")
    out(f"export const NEWEST_VERSION = '{'.'.join(map(str, newest))}';\n")
    out("export interface Field {\n  readonly name: string;\n  readonly type: string;\n"
        "  readonly list?: true;\n  readonly optional?: true;\n  readonly since?: string;\n}\n")
    out("export interface ManagedObjectReference {\n  readonly type: string;\n  readonly value: string;\n}\n")
    types = list(selection.data_types())
    methods = list(selection.method_entries())
    properties = list(selection.property_entries())
    for name in sorted(selection.enums, key=lambda each: selection.table.enums[each]["wsdl"]):
        entry = selection.table.enums[name]
        out(f"export type {entry['wsdl']} = {' | '.join(repr(value) for value in entry['values'])};")
    out("")
    for name, base, _fields, own in types:
        optional = "" if base else "?"
        extends = f" extends Omit<{base}, '$type'>" if base else ""
        out(f"export interface {name}{extends} {{")
        out(f"  readonly $type{optional}: '{name}';")
        for field in own:
            out(script_field(field))
        out("}\n")
    out("/** Data types: fields in order, those of the bases first. */")
    out("export const dataTypes: Readonly<Record<string, { readonly base?: string; readonly fields: readonly Field[] }>> = {")
    for name, base, fields, _own in types:
        out(f"  {name}: {{{f' base: {base!r},' if base else ''} fields: [{', '.join(map(table_field, fields))}] }},")
    out("};\n")
    names = ", ".join(repr(selection.table.enums[each]["wsdl"])
                      for each in sorted(selection.enums, key=lambda each: selection.table.enums[each]["wsdl"]))
    out(f"export const enumTypes: ReadonlySet<string> = new Set([{names}]);\n")
    out("/** Arguments of each method. */\nexport interface Arguments {")
    for name, _owner, fields, _result in methods:
        body = " ".join(script_field(field).strip() for field in fields)
        out(f"  {name}: {{ {body} }};" if fields else f"  {name}: Record<string, never>;")
    out("}\n\n/** What each method answers; undefined for none, and where an optional answer is absent. */\nexport interface Results {")
    for name, _owner, _fields, result in methods:
        script = "undefined" if result is None else script_type(result[2], result[1])
        out(f"  {name}: {script}{'' if result is None else ' | undefined'};")
    out("}\n\nexport const methods: { readonly [M in keyof Arguments]: { readonly on: string; readonly parameters: "
        "readonly Field[]; readonly returns?: { readonly type: string; readonly list?: true } } } = {")
    for name, owner, fields, result in methods:
        returns = "" if result is None else f", returns: {{ type: {result[0]!r}{', list: true' if result[1] else ''} }}"
        out(f"  {name}: {{ on: {owner!r}, parameters: [{', '.join(map(table_field, fields))}]{returns} }},")
    out("};\n")
    out("/** Properties that are read, by the type of managed object. Any of them may be absent from an answer. */")
    out("export interface Properties {")
    for name, fields in properties:
        out(f"  {name}: {{")
        for field in fields:
            out(f"    readonly '{field['name']}': {script_type(field['script'], field['list'])};")
        out("  };")
    out("}\n\nexport const properties: { readonly [T in keyof Properties]: readonly Field[] } = {")
    for name, fields in properties:
        out(f"  {name}: [{', '.join(map(table_field, fields))}],")
    out("};\n")
    out("/** Faults that are a kind of another one. */\nexport const faultBases: Readonly<Record<string, string>> = {")
    for name, base in selection.fault_bases():
        out(f"  {name}: {base!r},")
    out("};")
    return "\n".join(lines) + "\n"


def script_type(script, is_list):
    if not is_list:
        return script
    return f"readonly ({script})[]" if "|" in script else f"readonly {script}[]"


def script_field(field):
    # A field that is newer than the oldest server may be absent from what that one says.
    mark = "?" if field["optional"] or field["since"] else ""
    return f"  readonly {field['name']}{mark}: {script_type(field['script'], field['list'])};"


def table_field(field):
    parts = [f"name: {field['name']!r}", f"type: {field['type']!r}"]
    parts += ["list: true"] if field["list"] else []
    parts += ["optional: true"] if field["optional"] else []
    parts += [f"since: {field['since']!r}"] if field["since"] else []
    return "{ " + ", ".join(parts) + " }"


def xsd(selection, version):
    """The same selection as an XML schema: what a strict server would accept of a request."""
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f"<!-- Generated by generate.py from pyvmomi {version} and selection.json: the requests, for tests. -->",
        '<xsd:schema xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns="urn:vim25" targetNamespace="urn:vim25"'
        ' elementFormDefault="qualified">',
        '  <xsd:complexType name="ManagedObjectReference"><xsd:simpleContent><xsd:extension base="xsd:string">'
        '<xsd:attribute name="type" type="xsd:string" use="required"/></xsd:extension></xsd:simpleContent></xsd:complexType>',
    ]
    for name, base, _fields, own in selection.data_types():
        body = "".join(map(xsd_field, own))
        content = f"<xsd:sequence>{body}</xsd:sequence>"
        if base:
            content = f'<xsd:complexContent><xsd:extension base="{base}">{content}</xsd:extension></xsd:complexContent>'
        lines.append(f'  <xsd:complexType name="{name}">{content}</xsd:complexType>')
    for wsdl, _owner, fields, _result in selection.method_entries():
        body = '<xsd:element name="_this" type="ManagedObjectReference"/>' + "".join(map(xsd_field, fields))
        lines.append(f'  <xsd:element name="{wsdl}"><xsd:complexType><xsd:sequence>{body}</xsd:sequence>'
                     "</xsd:complexType></xsd:element>")
    for name in sorted(selection.enums, key=lambda each: selection.table.enums[each]["wsdl"]):
        entry = selection.table.enums[name]
        values = "".join(f'<xsd:enumeration value="{value}"/>' for value in entry["values"])
        lines.append(f'  <xsd:simpleType name="{entry["wsdl"]}"><xsd:restriction base="xsd:string">{values}'
                     "</xsd:restriction></xsd:simpleType>")
    return "\n".join([*lines, "</xsd:schema>", ""])


def xsd_field(field):
    primitive = field["type"] in {wire for wire, _ in PRIMITIVES.values()}
    kind = f"xsd:{field['type']}" if primitive else field["type"]
    least = ' minOccurs="0"' if field["optional"] else ""
    most = ' maxOccurs="unbounded"' if field["list"] else ""
    return f'<xsd:element name="{field["name"]}" type="{kind}"{least}{most}/>'


def main():
    arguments = sys.argv[1:]
    check = "--check" in arguments
    folders = [each for each in arguments if each != "--check"]
    if folders:
        sys.path.insert(0, folders[0])
    # Its constants only: importing the package would run far more than the table.
    import importlib.util
    package = os.path.dirname(importlib.util.find_spec("pyVmomi").origin)
    version = distribution_version(os.path.dirname(package))
    with open(os.path.join(HERE, "selection.json"), encoding="utf-8") as file:
        selection = Selection(Table(package), json.load(file))
    written = {"vim25.ts": typescript(selection, version), "vim25.xsd": xsd(selection, version)}
    for name, text in written.items():
        write(os.path.join(HERE, name), text, check)


def distribution_version(site):
    for entry in os.listdir(site):
        found = re.fullmatch(r"pyvmomi-([\d.]+)\.dist-info", entry)
        if found:
            return found.group(1)
    raise SystemExit(f"no pyvmomi distribution beside pyVmomi in {site}")


def write(path, text, check):
    if not check:
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return
    with open(path, encoding="utf-8") as file:
        if bare(file.read()) != bare(text):
            raise SystemExit(f"{path} is not what generate.py would write")


def bare(text):
    """Without what the formatter may change."""
    return re.sub(r"[\s,;|()'\"]+", "", text)


if __name__ == "__main__":
    main()
