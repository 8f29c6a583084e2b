// One operation's record: who, what, vertebra by vertebra, what leaked, and how the patient fared. It saves itself.

import { API, ask, frameUrl, send } from "./link.js";
import { summaryOf } from "./sheets.js";
import { Thing } from "./thing.js";
import { clock, counted, element, say, sentence } from "./words.js";

const UNDER_LEVEL = [["needle", "Needles"], ["aliquot", "Cement, push by push"], ["leak", "Leaks"]];
const PATIENCE_MS = 400;
const SLOW_MS = 30_000;
const SETTLE_MS = 100;
const SETTLE_TRIES = 50;

export class Record {
  /** `dictionary` as the API tells it. */
  constructor(dictionary) {
    this.dictionary = dictionary;
    this.things = new Set();
    this.node = element("div", "record");
  }

  get isClean() {
    return [...this.things].every((thing) => thing.isClean);
  }

  async open(id) {
    this.id = id;
    this.whole = await ask(`record/operations/${encodeURIComponent(id)}/whole`);
    this.things.clear();
    this.levels = new Map();
    const form = element("div", "record-form");
    this.patient = this.thing("patient", this.whole.patient);
    this.operation = this.thing("operation", this.whole.operation);
    form.append(this.patient.node, this.operation.node, this.buildLevels());
    for (const [kind, title, label] of [
      ["complication", "Complications", "Add a complication"], ["follow_up", "Follow-up", "Add a follow-up"], ["step", "Steps in order", "Add a step"],
    ]) form.append(this.buildList(kind, title, label, this.whole[kind], { operation: id }));
    this.node.replaceChildren(this.buildSide(), form);
    this.review();
    this.followProcedure();
  }

  thing(kind, row, owner = {}) {
    const made = new Thing({ kind, row, owner, place: this });
    this.things.add(made);
    return made;
  }

  buildSide() {
    const side = element("div", "record-side");
    this.title = element("h2");
    this.about = element("p", "record-about");
    this.state = element("p", "record-state");
    this.state.setAttribute("role", "status");
    this.words = element("p", "refused");
    this.words.setAttribute("role", "alert");
    this.confirm = button("Confirm the record", () => this.confirmIt());
    this.confirm.dataset.act = "acknowledge";
    this.finish = button("Finish the procedure", () => this.finishIt());
    this.finish.hidden = true;
    this.links = element("nav", "exports");
    this.links.setAttribute("aria-label", "Report");
    const acts = element("div", "record-acts");
    acts.append(this.finish, this.confirm);
    this.outline = element("ol", "outline");
    this.agreement = element("p", "record-agreement");
    this.remarks = element("ul", "remarks");
    this.unplaced = element("ul", "remarks");
    side.append(this.title, this.about, this.state, acts, this.words, this.links, this.outline, this.agreement, this.unplaced, this.remarks);
    return side;
  }

  /** What the journal told and the record could not place: said once, when the record is filled in. */
  tellUnplaced(words) {
    const told = words.map((each) => element("li", "", each));
    this.unplaced.replaceChildren(...(told.length ? [element("li", "remarks-title", "From the journal, for you to place"), ...told] : []));
  }

  /** Whether all is saved, once what is on its way has arrived. */
  async settle() {
    for (let tries = 0; tries < SETTLE_TRIES && !this.isClean; tries += 1) {
      if (![...this.things].some((thing) => thing.isBusy)) return false;
      await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
    }
    return this.isClean;
  }

  /** Somebody is about to go while something is not saved. */
  warn(leave) {
    const go = button("Leave without saving it", leave);
    this.words.replaceChildren("Something here is not saved. Look for the yellow frame, or ", go);
  }

  buildLevels() {
    const box = element("section", "record-part");
    box.setAttribute("aria-label", "Vertebrae");
    this.levelBox = element("div", "record-things");
    for (const row of this.whole.level) this.addLevel(row);
    box.append(element("h2", "", "Vertebrae"), this.levelBox, button("Add a vertebra", () => this.focus(this.addLevel(null))));
    return box;
  }

  addLevel(row) {
    const level = this.thing("level", row, { operation: this.id });
    level.nested = element("div", "nested");
    level.node.append(level.nested);
    this.levelBox.append(level.node);
    if (row) this.fillLevel(level);
    return level;
  }

  /** What belongs to a vertebra can be written once the vertebra is there. */
  fillLevel(level) {
    const { id } = level.row;
    this.levels.set(id, level);
    level.nested.replaceChildren(...UNDER_LEVEL.map(([kind, title]) => {
      const theirs = this.whole[kind].filter((each) => each.level === id);
      return this.buildList(kind, title, `Add ${{ needle: "a needle", aliquot: "an aliquot", leak: "a leak" }[kind]}`, theirs, { level: id });
    }));
  }

  buildList(kind, title, label, rows, owner) {
    const box = element("section", `record-part ${kind}s`);
    box.setAttribute("aria-label", title);
    const list = element("div", "record-things");
    const add = (row) => {
      const thing = this.thing(kind, row, owner);
      if (kind === "leak") thing.node.append(this.buildSight(thing.row));
      list.append(thing.node);
      return thing;
    };
    for (const row of rows) add(row);
    box.append(element(owner.level ? "h4" : "h2", "", title), list, button(label, () => this.focus(this.begin(add(null)))));
    return box;
  }

  /** What can be guessed of something new, and is seen and changed at once. */
  begin(thing) {
    if (thing.kind === "step") {
      const places = [...this.things].filter((each) => each.kind === "step").map((each) => each.fields.get("place").read() ?? 0);
      thing.fields.get("place").write(Math.max(0, ...places) + 1);
      thing.typed.set("place", thing.fields.get("place").read());
    }
    if (thing.kind === "leak") {
      thing.fields.get("finding").write("confirmed");
      thing.typed.set("finding", "confirmed");
    }
    thing.show();
    return thing;
  }

  /** The frame on which an alert first saw it. */
  buildSight(row) {
    const figure = element("figure", "sight-of-leak");
    figure.hidden = !row?.sop_instance_uid;
    if (figure.hidden) return figure;
    const picture = element("img");
    picture.loading = "lazy";
    picture.alt = "The frame that first shows this leak, with what was found";
    picture.addEventListener("error", () => (figure.hidden = true));
    const frame = { sop_instance_uid: row.sop_instance_uid, index: row.frame_index ?? 0 };
    picture.src = frameUrl(frame, this.whole.operation.procedure ?? "", { overlay: true, width: 320 });
    figure.append(picture, element("figcaption", "", row.first_alert_at ? `Live alert ${clock(row.first_alert_at)}` : "Frame"));
    return figure;
  }

  focus(thing) {
    thing.node.scrollIntoView({ block: "nearest" });
    const first = [...thing.fields.values()].find((field) => field.meaning.is_needed && field.read() === null) ?? thing.fields.values().next().value;
    (first.ask.inputs().find((input) => input.checked) ?? first.ask.inputs()[0]).focus();
  }

  needlesOf(level) {
    const needles = [...this.things].filter((each) => each.kind === "needle" && each.row?.level === level);
    return needles.map((each) => [each.row.id, summaryOf("needle", each.row) || "needle"]);
  }

  shown() {
    if (!this.outline) return;
    const open = [...this.things].filter((thing) => thing.typed.size || thing.isBusy);
    const bad = open.filter((thing) => thing.bad.size || thing.clashes.size || thing.isOut || thing.isGone);
    const waiting = bad.length ? `${bad.length} not saved: look for the yellow frame` : open.length ? "Not saved yet" : "All is saved";
    say(this.state, waiting);
    this.state.dataset.state = bad.length ? "bad" : open.length ? "typed" : "clean";
  }

  made(thing) {
    if (thing.kind === "level") this.fillLevel(thing);
  }

  removed(thing) {
    this.things.delete(thing);
    thing.node.remove();
    this.review();
  }

  saved() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.review(), PATIENCE_MS);
  }

  /** What the server makes of the whole: the outline, and what does not add up. */
  async review() {
    const { id } = this;
    const whole = await ask(`record/operations/${encodeURIComponent(id)}/whole`).catch(() => null);
    if (!whole || this.id !== id || !this.outline) return;
    const { operation, patient } = whole;
    if (operation.version > this.operation.row.version && !this.operation.typed.size) this.operation.take(operation);
    say(this.title, patient.pseudonym);
    say(this.about, [summaryOf("operation", operation), whole.level.map((each) => each.level).join(", ")].filter(Boolean).join(" · "));
    const waiting = whole.leak.filter((each) => each.finding === "proposed").length;
    const words = operation.confirmed_at ? `Confirmed ${operation.confirmed_at.slice(0, 10)} by ${operation.confirmed_by ?? "somebody"}` : "Confirm the record";
    say(this.confirm, words);
    this.confirm.disabled = Boolean(operation.confirmed_at);
    say(this.words, waiting ? `${waiting} of ${counted(whole.leak.length, "leak")} only proposed by live alerts: confirm or reject each.` : "");
    this.showOutline(whole);
    this.showRemarks(whole);
    if (operation.procedure && operation.confirmed_at) this.showAgreement(operation.procedure);
    else say(this.agreement, "");
  }

  showOutline(whole) {
    const line = (thing, words) => {
      const item = element("li");
      item.append(button(words, () => (thing.node.scrollIntoView({ block: "start" }), thing.node.focus({ preventScroll: true })), "outline-line"));
      return item;
    };
    const lines = [...this.things].filter((thing) => thing.row && ["level", "complication", "follow_up"].includes(thing.kind)).map((thing) => {
      const leaks = whole.leak.filter((each) => each.level === thing.row.id && each.finding !== "rejected").length;
      const more = thing.kind === "level" ? `${leaks || "no"} leak${leaks === 1 ? "" : "s"} noted` : thing.row.vas !== null && thing.row.vas !== undefined ? `VAS ${thing.row.vas}` : "";
      return line(thing, [summaryOf(thing.kind, thing.row), more].filter(Boolean).join(" · "));
    });
    this.outline.replaceChildren(line(this.patient, "Patient"), line(this.operation, "Operation"), ...lines);
  }

  showRemarks(whole) {
    const told = whole.remarks.map((each) => {
      const row = [whole.patient, whole.operation, ...Object.values(whole).filter(Array.isArray).flat()].find((thing) => thing.id === each.id);
      return element("li", "", `${row ? [sentence(each.kind), summaryOf(each.kind, row)].join(" ") : sentence(each.kind)}: ${each.words}`);
    });
    this.remarks.replaceChildren(...told.length ? [element("li", "remarks-title", "What does not add up, or waits"), ...told] : []);
  }

  async showAgreement(procedure) {
    const told = await ask(`procedures/${encodeURIComponent(procedure)}/agreement`, { patience: SLOW_MS }).catch(() => null);
    if (!told) return;
    const found = Object.entries(told.fluoroscopy).map(([zone, { found: share }]) => `${sentence(zone)} ${share.numerator} of ${share.denominator}`);
    const { numerator, denominator } = told.true_alerts;
    say(this.agreement, `Live alerts against this record. Leaks seen on the screen, found live: ${found.join(", ") || "none recorded"}. Alerts borne out: ${numerator} of ${denominator}.`);
  }

  /** The live side of it: reports, and whether the procedure is still open. */
  async followProcedure() {
    const { procedure } = this.whole.operation;
    if (!procedure) return;
    const path = `procedures/${encodeURIComponent(procedure)}`;
    const links = [["Report", "html"], ["PDF", "pdf"]].map(([words, form]) => {
      const link = element("a", "act", words);
      link.href = `${API}/${path}/report.${form}`;
      link.target = "_blank";
      return link;
    });
    const back = element("a", "act", "Pictures and log");
    back.href = `#review/${encodeURIComponent(procedure)}`;
    this.links.replaceChildren(...links, back);
    const told = await ask(path).catch(() => null);
    this.finish.hidden = !told || told.closed_at !== null;
  }

  async finishIt() {
    await this.attempt(`procedures/${encodeURIComponent(this.whole.operation.procedure)}/close`, {}, () => (this.finish.hidden = true));
  }

  async confirmIt() {
    const done = (row) => (this.operation.take(row), this.review());
    await this.attempt(`record/operations/${encodeURIComponent(this.id)}/confirm`, { version: this.operation.row.version }, done);
  }

  async attempt(path, content, done) {
    if (!this.isClean) return say(this.words, "Something is not saved yet: look for the yellow frame first.");
    try {
      done(await send(path, content));
    } catch (error) {
      if (error.code === "outdated") this.operation.rebase(error.details);
      say(this.words, error.status ? error.message : "No answer from cementwatch. Try again.");
    }
    return undefined;
  }
}

function button(words, act, className = "act") {
  const made = element("button", className, words);
  made.type = "button";
  made.addEventListener("click", act);
  return made;
}
