// One thing of the record on the screen: its fields, saved as they are left, and what happens when somebody else wrote meanwhile.

import { Field, valueWords } from "./fields.js";
import { ask, send } from "./link.js";
import { SHEETS, labelOf, summaryOf } from "./sheets.js";
import { clock, element, plain, say, sentence } from "./words.js";

const IDLE_MS = 2500; // whoever stops typing without leaving the field
const RETRY_MS = 3000;

const isSame = (left, right) => JSON.stringify(left ?? null) === JSON.stringify(right ?? null);

export class Thing {
  /** `about` has kind, row (null: not there yet), owner (fields that say to whom it belongs), place. */
  constructor(about) {
    Object.assign(this, about);
    this.sheet = SHEETS[this.kind];
    this.meanings = this.place.dictionary[this.kind];
    this.typed = new Map(); // what stands here and is not saved
    this.bad = new Map(); // what the server did not take, and why
    this.clashes = new Set();
    this.fields = new Map();
    this.groups = [];
    this.isBusy = false;
    this.node = this.build();
    this.show();
  }

  get isClean() {
    return !this.typed.size && !this.isBusy;
  }

  build() {
    const node = element("section", `thing ${this.kind}${this.sheet.isLine ? " line" : ""}`);
    node.dataset.kind = this.kind;
    node.tabIndex = -1;
    this.title = element("h3");
    this.state = element("span", "saved");
    this.state.setAttribute("role", "status");
    const head = element("div", "thing-head");
    this.discard = element("button", "quiet", "Discard");
    this.discard.type = "button";
    this.discard.addEventListener("click", () => this.place.removed(this));
    head.append(this.title, this.state, this.discard);
    this.general = element("p", "trouble");
    this.general.setAttribute("role", "alert");
    const first = element("div", "fields");
    for (const name of this.sheet.first) this.add(first, name);
    const groups = element("div", "groups");
    groups.append(...this.sheet.groups.map((group) => this.buildGroup(...group)), this.buildFoot());
    node.append(head, this.general, first, groups);
    return node;
  }

  add(box, name) {
    const choices = name === "needle" && this.kind === "aliquot" ? () => this.place.needlesOf(this.owner.level) : null;
    const field = new Field(this.kind, this.meanings.get(name), (value, isDone) => this.hear(name, value, isDone), choices);
    this.fields.set(name, field);
    field.write((this.typed.has(name) ? this.typed.get(name) : this.row?.[name]) ?? null);
    box.append(field.node);
  }

  /** What waits for the desk is built when it is opened: a record may have hundreds of such fields. */
  buildGroup(title, names) {
    const group = element("details", "group");
    const box = element("div", "fields");
    group.append(element("summary", "", title), box);
    group.addEventListener("toggle", () => group.open && this.fill(box, names));
    this.groups.push({ group, box, names });
    return group;
  }

  fill(box, names) {
    for (const name of names) if (!this.fields.has(name)) this.add(box, name);
  }

  /** The field on the screen, its group opened where it lies in one. */
  opened(name) {
    const { group, box, names } = this.groups.find((each) => each.names.includes(name)) ?? {};
    if (group && !group.open) {
      this.fill(box, names);
      group.open = true;
    }
    return this.fields.get(name);
  }

  buildFoot() {
    const foot = element("details", "group thing-foot");
    foot.append(element("summary", "", "History and withdrawal"));
    this.history = element("ol", "history");
    foot.append(this.history, this.buildWithdrawal());
    foot.addEventListener("toggle", () => foot.open && this.loadHistory());
    this.foot = foot;
    return foot;
  }

  buildWithdrawal() {
    const form = element("form", "withdrawal");
    if (["patient", "operation"].includes(this.kind)) return form;
    const label = element("label", "", "Withdraw because");
    const reason = Object.assign(element("input"), { type: "text", required: true, maxLength: 1000, autocomplete: "off" });
    label.append(reason);
    form.append(label, element("button", "act", "Withdraw"));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.withdraw(reason.value);
    });
    return form;
  }

  show() {
    const name = this.row ? summaryOf(this.kind, this.row) : "";
    say(this.title, this.kind === "level" || this.kind === "follow_up" ? name || `New: ${this.sheet.title.toLowerCase()}` : [this.sheet.title, name].filter(Boolean).join(" · "));
    this.node.dataset.finding = this.row?.finding ?? "";
    this.foot.hidden = !this.row;
    this.discard.hidden = Boolean(this.row);
    this.node.dataset.state = this.bad.size || this.clashes.size ? "bad" : this.typed.size ? "typed" : "clean";
    say(this.state, this.stateWords());
    this.place.shown(this);
  }

  stateWords() {
    if (this.isGone) return "Withdrawn meanwhile";
    if (this.clashes.size) return "Not saved: choose";
    if (this.isOut) return "Not saved: no answer from cementwatch. Trying again.";
    if (this.bad.size) return "Not saved: see below";
    if (this.isBusy) return "Saving";
    const missing = this.missing();
    if (!this.row && missing.length) return `Not saved yet: ${missing.map((name) => this.fields.get(name).told.label.toLowerCase()).join(", ")} needed`;
    return this.savedAt ? `Saved ${clock(this.savedAt)}` : "";
  }

  missing() {
    return [...this.fields.keys()].filter((name) => this.meanings.get(name).is_needed && (this.typed.get(name) ?? this.row?.[name] ?? null) === null);
  }

  /** Whether all is there, and taken, without which the thing cannot be. */
  mayBegin() {
    return !this.missing().length && ![...this.bad.keys()].some((name) => this.meanings.get(name)?.is_needed);
  }

  /** Something was typed or chosen. */
  hear(name, value, isDone) {
    if (isSame(value, this.row?.[name]) && !this.clashes.has(name)) this.typed.delete(name);
    else this.typed.set(name, value);
    this.forgive(name);
    clearTimeout(this.timer);
    if (isDone) this.save();
    else this.timer = setTimeout(() => this.save(), IDLE_MS);
    this.show();
  }

  /** A change may mend more than its own field: what hung on it is asked again. */
  forgive(name) {
    for (const [each, about] of this.bad) {
      if (each !== name && !about.isHeld) continue;
      this.bad.delete(each);
      this.fields.get(each)?.setTrouble("");
    }
    say(this.general, "");
  }

  /** What is typed and not in dispute, as one change; what is typed meanwhile goes with the next. */
  async save() {
    if (this.isBusy || this.isGone) return;
    const sent = new Map([...this.typed].filter(([name]) => !this.bad.has(name) && !this.clashes.has(name)));
    if (!sent.size || (!this.row && !this.mayBegin())) return this.show();
    this.isBusy = true;
    this.show();
    let isAgain = false;
    try {
      this.take(await this.put(Object.fromEntries(sent)), sent);
      isAgain = this.typed.size > 0;
    } catch (error) {
      isAgain = this.meet(error, sent);
    }
    this.isBusy = false;
    this.show();
    if (isAgain) this.save();
    else if (this.isClean) this.place.saved(this);
  }

  put(changes) {
    const path = `record/${this.sheet.address}`;
    if (!this.row) return send(path, { ...this.owner, ...changes });
    return send(`${path}/${encodeURIComponent(this.row.id)}`, { version: this.row.version, changes }, { method: "PATCH" });
  }

  take(row, sent = new Map()) {
    const isNew = !this.row;
    this.row = row;
    this.isOut = false;
    this.savedAt = Date.now();
    for (const [name, value] of sent) if (isSame(this.typed.get(name), value)) this.typed.delete(name);
    for (const [name, field] of this.fields) if (!this.typed.has(name)) field.write(row[name] ?? null);
    if (isNew) this.place.made(this);
  }

  /** What the server says no to; whether another try makes sense at once. Nothing that was typed is lost. */
  meet(error, sent) {
    this.isOut = !error.status;
    if (!error.status) setTimeout(() => this.save(), RETRY_MS);
    else if (error.code === "outdated") return this.rebase(error.details);
    else if (error.details.problems || error.details.field) return this.blame(error, sent);
    else say(this.general, `Not saved. ${error.message}`);
    return false;
  }

  /** The server's words beside the fields that they are about; a rule between fields holds back all that was sent. */
  blame(error, sent) {
    const problems = error.details.problems ?? [{ field: error.details.field, expected: error.message }];
    let isTheirs = true;
    for (const { field, expected } of problems) {
      const [name, words] = field === "record" && expected.includes(": ") ? expected.split(/: (.*)/s) : [field.split(".")[0], expected];
      const asked = this.opened(name);
      if (asked) asked.setTrouble(`Not saved: ${words}.`.replace(/\.\.$/, "."));
      else say(this.general, `Not saved. ${plain(field)}: ${expected}.`);
      this.bad.set(name, { isHeld: !sent.has(name) });
      isTheirs &&= sent.has(name);
    }
    if (!isTheirs) for (const name of sent.keys()) if (!this.bad.has(name)) this.bad.set(name, { isHeld: true });
    return sent.size > this.bad.size;
  }

  /** A newer version is there: take what does not touch ours, put ours on top of it, and ask where both differ. */
  rebase({ version, recorded_by, is_withdrawn, differences }) {
    const who = recorded_by ?? "somebody";
    const theirs = {};
    for (const { field: name, after } of differences) {
      theirs[name] = after;
      const field = this.fields.get(name);
      if (!field) continue;
      if (this.typed.has(name) && !isSame(this.typed.get(name), after)) this.clash(name, after, who);
      else {
        this.typed.delete(name);
        field.write(after);
        field.tellChanged(who);
      }
    }
    this.row = { ...this.row, ...theirs, version };
    if (is_withdrawn) this.tellGone(who);
    return !is_withdrawn;
  }

  clash(name, after, who) {
    this.clashes.add(name);
    const field = this.fields.get(name);
    field.showClash(after, who, (isMine) => {
      this.clashes.delete(name);
      if (!isMine) {
        this.typed.delete(name);
        field.write(after);
      }
      this.show();
      this.save();
    });
  }

  tellGone(who) {
    this.isGone = true;
    const back = element("button", "act", "Bring it back as it stands here");
    back.type = "button";
    back.addEventListener("click", () => {
      this.isGone = false;
      say(this.general, "");
      if (!this.typed.size) this.typed.set(this.sheet.first[0], this.row[this.sheet.first[0]]);
      this.save();
    });
    this.general.replaceChildren(`${who} withdrew this meanwhile. `, back);
  }

  async withdraw(reason) {
    try {
      await send(`record/${this.sheet.address}/${encodeURIComponent(this.row.id)}/withdraw`, { version: this.row.version, reason });
      this.place.removed(this);
    } catch (error) {
      if (error.code === "outdated") this.rebase(error.details);
      say(this.general, `Not withdrawn. ${error.status ? error.message : "No answer from cementwatch. Try again."}`);
    }
  }

  async loadHistory() {
    const path = `record/${this.sheet.address}/${encodeURIComponent(this.row.id)}/history`;
    const told = await ask(path).catch(() => ({ items: [] }));
    this.history.replaceChildren(...told.items.map((each) => {
      const changed = each.version === 1 ? ["written first"] : each.changed.map(({ field, before, after }) => {
        const meaning = this.meanings.get(field);
        return `${meaning ? labelOf(this.kind, meaning).label : sentence(field)}: ${valueWords(meaning, before)} → ${valueWords(meaning, after)}`;
      });
      const words = [`${each.recorded_at.slice(0, 10)} ${clock(each.recorded_at)}`, each.recorded_by, each.is_withdrawn ? "withdrawn" : "", ...changed, each.reason].filter(Boolean);
      return element("li", "", words.join(" · "));
    }));
  }
}
