// The answers to one instrument, item by item, and what they come to: counted by the API, never here.

import { segments } from "./askers.js";
import { ask, send } from "./link.js";
import { codeWords } from "./sheets.js";
import { element, number, say, sentence } from "./words.js";

let instruments = null;

/** Name to instrument, as the API tells them. */
async function loadInstruments() {
  instruments ??= ask("scores").then((told) => new Map(told.items.map((each) => [each.name, each])));
  return instruments;
}

/** Asks for the answers of one instrument: an object by item, or null where none was given. */
export function answers(field) {
  const node = element("div", "answers");
  const count = element("p", "count");
  count.setAttribute("role", "status");
  const rule = element("p", "field-hint");
  const items = field.meaning.items.map((item) => buildItem(field, item, () => hear()));
  node.append(count, ...items.map((each) => each.node), rule);
  let label = field.told.label;
  loadInstruments().then(
    (all) => {
      const told = all.get(field.name);
      label = told?.label ?? label;
      say(rule, [told?.missing, told?.caveat].filter(Boolean).join(" "));
    },
    () => {},
  );
  const read = () => {
    const told = items.map(({ key, asker }) => [key, asker.read()]).filter(([, value]) => value !== null);
    return told.length ? Object.fromEntries(told) : null;
  };
  let wanted = null;
  const show = async () => {
    const given = (wanted = read());
    if (!given) return say(count, `None of ${items.length} answered.`);
    const words = await countWords(field.name, label, given, items.length);
    if (wanted === given) say(count, words);
  };
  const hear = () => {
    field.changed(read(), true);
    show();
  };
  const write = (value) => {
    for (const { key, asker } of items) asker.write(value?.[key] ?? null);
    show();
  };
  show();
  return { node, isGroup: true, inputs: () => items.flatMap((each) => each.asker.inputs()), read, write };
}

function buildItem(field, item, changed) {
  const node = element("fieldset", "item");
  const asker = segments({ id: `${field.id}-${item.item}`, changed }, item.values.map((value) => [value, codeWords(value)]));
  node.append(element("legend", "", sentence(item.meaning)), asker.node);
  return { node, asker, key: item.item };
}

async function countWords(name, label, given, nItems) {
  try {
    const told = await send(`scores/${name}`, { answers: given });
    const value = told.value === null ? "no value yet" : `${number(told.value, Number.isInteger(told.value) ? 0 : 1)} of ${told.high}${told.band ? `, ${told.band}` : ""}`;
    return `${label}: ${value}. ${told.n_answered} of ${nItems} answered.`;
  } catch (error) {
    return error.status ? error.message : "Not counted: no answer from cementwatch.";
  }
}
