// For tests: managed objects whose properties a test sets, read and watched through a scripted server as a property
// collector does it: a watcher is answered at once, and then whenever something changes.
import { type Answer, type Asked, returns, type Script } from './scripted-server.ts';

export interface ScriptedObjects {
  /** Sets properties of an object, as XML with the `xsi:type` of a value: see `text`. */
  set(type: string, moref: string, properties: Readonly<Record<string, string>>): void;
  /** Answers reads and watches; everything else is `others`' to answer. */
  script(others: Script): Script;
}

/** A value as the collector sends it. */
export const value = (type: string, inner: string): string => `<val xsi:type="${type}">${inner}</val>`;
export const text = (inner: string): string => value('xsd:string', inner);
export const reference = (type: string, moref: string): string => `<val type="${type}">${moref}</val>`;

interface Kept {
  readonly type: string;
  readonly properties: Map<string, string>;
}

export function scriptedObjects(): ScriptedObjects {
  const objects = new Map<string, Kept>();
  const watched = new Map<string, { readonly moref: string; readonly paths: readonly string[] }>();
  let change = Promise.withResolvers<undefined>();
  let version = 1;
  let collectors = 0;

  const shown = (moref: string, paths: readonly string[]): [string, string][] =>
    paths.flatMap((path): [string, string][] => {
      const xml = objects.get(moref)?.properties.get(path);
      return xml === undefined ? [] : [[path, xml]];
    });

  const read = ({ body, method }: Asked): Answer => {
    const [moref, paths] = [objectIn(body), pathsIn(body)];
    const object = objects.get(moref);
    if (object === undefined) return returns(method, '');
    const propSet = shown(moref, paths).map(([name, xml]) => `<propSet><name>${name}</name>${xml}</propSet>`);
    const obj = `<obj type="${object.type}">${moref}</obj>`;
    return returns(method, `<returnval><objects>${obj}${propSet.join('')}</objects></returnval>`);
  };

  const wait = async ({ body, method }: Asked): Promise<Answer> => {
    const collector = self(body);
    const seen = Number(/<version>(\d*)<\/version>/.exec(body)?.[1] ?? '');
    while (seen === version && watched.has(collector)) await change.promise;
    const { moref, paths } = watched.get(collector) ?? { moref: '', paths: [] };
    const changeSet = shown(moref, paths).map(
      ([name, xml]) => `<changeSet><name>${name}</name><op>assign</op>${xml}</changeSet>`,
    );
    const obj = `<obj type="${objects.get(moref)?.type ?? ''}">${moref}</obj>`;
    const objectSet = `<objectSet><kind>${seen === 0 ? 'enter' : 'modify'}</kind>${obj}${changeSet.join('')}</objectSet>`;
    const filterSet = `<filterSet><filter type="PropertyFilter">f</filter>${objectSet}</filterSet>`;
    return returns(method, `<returnval><version>${version}</version>${filterSet}</returnval>`);
  };

  const notify = (): void => {
    const told = change;
    change = Promise.withResolvers<undefined>();
    told.resolve(undefined);
  };

  const answer = (asked: Asked): Answer | Promise<Answer> | undefined => {
    switch (asked.method) {
      case 'RetrievePropertiesEx':
        return read(asked);
      case 'CreatePropertyCollector': {
        const collector = `collector-${++collectors}`;
        watched.set(collector, { moref: '', paths: [] });
        return returns(asked.method, `<returnval type="PropertyCollector">${collector}</returnval>`);
      }
      case 'CreateFilter':
        watched.set(self(asked.body), { moref: objectIn(asked.body), paths: pathsIn(asked.body) });
        return returns(asked.method, '<returnval type="PropertyFilter">f</returnval>');
      case 'WaitForUpdatesEx':
        return wait(asked);
      case 'DestroyPropertyCollector':
        watched.delete(self(asked.body));
        notify();
        return returns(asked.method, '');
      default:
        return undefined;
    }
  };

  return {
    set(type, moref, properties) {
      const kept = objects.get(moref) ?? { type, properties: new Map<string, string>() };
      for (const [path, xml] of Object.entries(properties)) kept.properties.set(path, xml);
      objects.set(moref, kept);
      version++;
      notify();
    },
    script: (others) => async (asked) => (await others(asked)) ?? (await answer(asked)),
  };
}

const self = (body: string): string => /<_this[^>]*>([^<]*)</.exec(body)?.[1] ?? '';
const objectIn = (body: string): string => /<obj [^>]*>([^<]*)</.exec(body)?.[1] ?? '';
const pathsIn = (body: string): string[] =>
  [...body.matchAll(/<pathSet>([^<]*)</g)].map((match) => match[1] ?? '');
