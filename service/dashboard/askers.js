// How a value is asked for: typed, chosen from a list, or pressed. Each is {node, isGroup, inputs, read, write}.

import { codeWords } from "./sheets.js";
import { element } from "./words.js";

const LONG = new Set(["remark", "comorbidities", "drugs"]);
const TYPES = { day: "date", moment: "datetime-local" };

export function text(field) {
  const { meaning, id } = field;
  const input = element(LONG.has(field.name) ? "textarea" : "input");
  input.id = id;
  if (input.tagName === "INPUT") input.type = TYPES[meaning.form] ?? "text";
  if (meaning.form === "moment") input.step = 1;
  if (["number", "whole_number"].includes(meaning.form)) input.inputMode = "decimal";
  input.autocomplete = "off";
  input.addEventListener("input", () => field.changed(field.read(), false));
  input.addEventListener("change", () => field.changed(field.read(), true));
  return { node: input, isGroup: false, inputs: () => [input], read: () => told(meaning, input), write: (value) => (input.value = shown(meaning, value)) };
}

/** What is typed, in the API's form; what is no number goes as it is, for the API to say so. */
function told(meaning, input) {
  const words = input.value.trim();
  if (input.validity.badInput) return "unfinished";
  if (!words) return null;
  if (meaning.form === "words") return words.split(/[;,]/).map((each) => each.trim()).filter(Boolean);
  if (meaning.form === "moment") {
    const kept = input.dataset.exact;
    return kept && shown(meaning, kept) === input.value ? kept : new Date(words).toISOString();
  }
  if (!["number", "whole_number"].includes(meaning.form)) return words;
  const value = Number(words.replace(",", "."));
  return Number.isFinite(value) ? value : words;
}

function shown(meaning, value) {
  if (value === null || value === undefined) return "";
  if (meaning.form === "words") return value.join("; ");
  if (meaning.form !== "moment") return String(value);
  const at = new Date(value);
  return new Date(at - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}

export function select(field, choices) {
  const node = element("select");
  node.id = field.id;
  const fill = () => {
    const { value } = node;
    node.replaceChildren(...[["", "–"], ...choices()].map(([each, words]) => Object.assign(element("option", "", words), { value: each })));
    node.value = value;
  };
  fill();
  node.addEventListener("focus", () => field.choices && fill());
  node.addEventListener("change", () => field.changed(node.value || null, true));
  return { node, isGroup: false, inputs: () => [node], read: () => node.value || null, write: (value) => (field.choices && fill(), (node.value = value ?? "")) };
}

/** One of a few, side by side; a dash stands for not known. Arrow keys choose, as in any group of radio buttons. */
export function segments(field, told) {
  const node = element("div", "segments");
  const radios = [...told, [null, "–"]].map(([value, words]) => {
    const label = element("label", "segment");
    const radio = Object.assign(element("input"), { type: "radio", name: field.id });
    if (value === null) radio.setAttribute("aria-label", "not known");
    radio.checked = value === null;
    radio.addEventListener("change", () => field.changed(value, true));
    label.append(radio, element("span", "", words));
    node.append(label);
    return { radio, value };
  });
  return {
    node,
    isGroup: true,
    inputs: () => radios.map((each) => each.radio),
    read: () => radios.find((each) => each.radio.checked)?.value ?? null,
    write: (value) => radios.forEach((each) => (each.radio.checked = each.value === (value ?? null))),
  };
}

/** Some of several; "none" is an answer, no tick at all is not known. */
export function boxes(field) {
  const node = element("div", "segments");
  const made = [...field.meaning.values, null].map((value) => {
    const label = element("label", "segment");
    const box = Object.assign(element("input"), { type: "checkbox" });
    box.addEventListener("change", () => {
      for (const each of made) if (box.checked && (each.value === null) !== (value === null)) each.box.checked = false;
      field.changed(read(), true);
    });
    label.append(box, element("span", "", value === null ? "none" : codeWords(value)));
    node.append(label);
    return { box, value };
  });
  const read = () => {
    const ticked = made.filter((each) => each.box.checked);
    return ticked.length ? ticked.map((each) => each.value).filter((value) => value !== null) : null;
  };
  const write = (value) => made.forEach((each) => (each.box.checked = each.value === null ? value?.length === 0 : Boolean(value?.includes(each.value))));
  return { node, isGroup: true, inputs: () => made.map((each) => each.box), read, write };
}
