// One field of a form: how it is asked, what stands in it, and what the server says of it beside it.

import { boxes, segments, select, text } from "./askers.js";
import { answers } from "./scores.js";
import { codeWords, labelOf } from "./sheets.js";
import { element, say } from "./words.js";

const MOST_SEGMENTS = 6;
const MOST_LETTERS = 52;
let nMade = 0;

/** Whether whoever sits here may change the record; the server has the last word. */
export const mayWrite = () => (document.body.dataset.may ?? "act").split(" ").includes("act");

const isSame = (left, right) => JSON.stringify(left ?? null) === JSON.stringify(right ?? null);

/** What people read where a value is told. */
export function valueWords(meaning, value) {
  if (value === null || value === undefined) return "nothing";
  if (meaning?.form === "flag") return value ? "yes" : "no";
  if (meaning?.form === "moment") return new Date(value).toLocaleString("en-GB");
  if (Array.isArray(value)) return value.length ? value.map(codeWords).join(", ") : "none";
  if (typeof value === "object") return Object.entries(value).map(([key, each]) => `${key} ${codeWords(each)}`).join(", ");
  return meaning?.form === "text" ? String(value) : codeWords(value);
}

/** A field of ``kind``; ``changed(value, isDone)`` hears of every change, ``isDone`` when somebody has left the field. */
export class Field {
  constructor(kind, meaning, changed, choices = null) {
    Object.assign(this, { kind, meaning, changed, choices, name: meaning.field });
    this.id = `field-${++nMade}`;
    this.told = labelOf(kind, meaning);
    this.ask = askerOf(this);
    this.hint = element("span", "field-hint", this.told.hint);
    this.trouble = element("p", "trouble");
    this.trouble.id = `${this.id}-trouble`;
    this.clash = element("div", "clash");
    this.clash.hidden = true;
    this.node = this.build();
    this.node.dataset.field = this.name;
    if (!mayWrite()) for (const input of this.ask.inputs()) input.disabled = true;
  }

  build() {
    const { isGroup } = this.ask;
    const node = element(isGroup ? "fieldset" : "div", `field ${this.meaning.form}`);
    const label = element(isGroup ? "legend" : "label", "field-label", this.told.label);
    if (this.meaning.is_needed) label.append(element("span", "needed", "needed"));
    if (this.told.hint) label.append(" ", this.hint);
    if (!isGroup) label.htmlFor = this.id;
    node.append(label, this.ask.node, this.trouble, this.clash);
    return node;
  }

  read() {
    return this.ask.read();
  }

  /** Put what the server has; the caret stays where nothing changes. */
  write(value) {
    if (!isSame(this.read(), value)) this.ask.write(value);
  }

  setTrouble(words) {
    say(this.trouble, words ?? "");
    this.node.dataset.bad = Boolean(words);
    for (const input of this.ask.inputs()) {
      if (!words) for (const name of ["aria-invalid", "aria-describedby"]) input.removeAttribute(name);
      else input.setAttribute("aria-describedby", this.trouble.id);
      if (words && !["radio", "checkbox"].includes(input.type)) input.setAttribute("aria-invalid", "true");
    }
  }

  /** Somebody else wrote something else meanwhile: both stand there until one is chosen. */
  showClash(theirs, who, choose) {
    const button = (words, isMine) => {
      const made = element("button", "act", words);
      made.type = "button";
      made.addEventListener("click", () => {
        this.clash.hidden = true;
        choose(isMine);
      });
      return made;
    };
    const words = `${who} wrote ${valueWords(this.meaning, theirs)}; here stands ${valueWords(this.meaning, this.read())}.`;
    this.clash.replaceChildren(element("p", "", words), button("Keep mine", true), button("Take theirs", false));
    this.clash.setAttribute("role", "alert");
    this.clash.hidden = false;
  }

  tellChanged(who) {
    this.setTrouble("");
    say(this.hint, `changed by ${who} meanwhile`);
    if (!this.hint.isConnected) this.node.firstElementChild.append(" ", this.hint);
  }
}

function askerOf(field) {
  const { meaning, choices } = field;
  if (choices) return select(field, choices);
  if (meaning.form === "answers") return answers(field);
  if (meaning.form === "flag") return segments(field, [[true, "yes"], [false, "no"]]);
  if (meaning.form === "words" && meaning.values.length) return boxes(field);
  if (meaning.form === "word") {
    const told = meaning.values.map((value) => [value, codeWords(value)]);
    const letters = told.reduce((sum, [, words]) => sum + words.length, 0);
    return told.length <= MOST_SEGMENTS && letters <= MOST_LETTERS ? segments(field, told) : select(field, () => told);
  }
  return text(field);
}
