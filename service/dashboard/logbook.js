// One touch, one line in the procedure's log: cement mixed, injection, aliquots, resistance, a note.

import { LEVELS } from "./corners.js";
import { ask, send } from "./link.js";
import { clock, element, plain, say } from "./words.js";

const READ = ["plan_set", "cement_mixed", "needle_placed", "injection_started", "injection_stopped", "aliquot", "resistance", "note"];
const ALIQUOTS_ML = [0.5, 1, 1.5, 2];
const PAGE = 1000;
const TOLD_MS = 6000;

export class Logbook {
  constructor(serverNow) {
    this.serverNow = serverNow;
    this.procedure = this.view = null;
    this.agreed = {};
    this.node = element("section", "logbook");
    this.node.setAttribute("aria-label", "Procedure log");
    this.buttons = element("div", "log-buttons");
    this.mixed = this.button("Cement mixed", () => this.write({ type: "cement_mixed" }));
    this.needle = this.button("Needle placed", () => this.write({ type: "needle_placed" }));
    this.started = this.button("Injection started", () => this.write({ type: "injection_started" }));
    this.stopped = this.button("Injection stopped", () => this.write({ type: "injection_stopped" }));
    this.aliquot = this.button("Aliquot", () => this.turn(this.volumes));
    this.resistance = this.button("Resistance", () => this.write({ type: "resistance" }));
    this.note = this.button("Note", () => this.turn(this.noteForm));
    this.words = element("p", "log-words");
    this.words.setAttribute("role", "status");
    this.node.append(this.buildLevels(), this.buttons, this.buildVolumes(), this.buildNote(), this.words);
    this.clear();
  }

  button(label, act) {
    const made = element("button", "log-button");
    made.type = "button";
    made.label = element("span", "log-label", label);
    made.more = element("span", "log-more");
    made.append(made.label, made.more);
    made.addEventListener("click", act);
    this.buttons.append(made);
    return made;
  }

  /** At which vertebra the next lines are: with several, a line that names none finds no place in the record. */
  buildLevels() {
    this.levels = element("div", "log-levels");
    this.levels.setAttribute("role", "group");
    this.levels.setAttribute("aria-label", "Vertebra");
    this.otherLevel = element("select");
    this.otherLevel.setAttribute("aria-label", "Another vertebra");
    this.otherLevel.append(...["", ...LEVELS].map((level) => Object.assign(element("option", "", level || "other"), { value: level })));
    this.otherLevel.addEventListener("change", () => {
      if (this.otherLevel.value) this.setLevels([...new Set([...this.known, this.otherLevel.value])], this.otherLevel.value);
      this.otherLevel.value = "";
    });
    this.setLevels([], null);
    return this.levels;
  }

  /** The levels of the procedure, and the one that somebody touched; nobody has with null. */
  setLevels(levels, chosen = this.chosen) {
    this.known = [...new Set([...levels, ...Object.values(this.agreed).map((each) => each.level)])].filter(Boolean);
    this.chosen = this.known.includes(chosen) ? chosen : null;
    this.showLevels();
  }

  /** What this view looks at is at its landmarks' level, until somebody touches another one. */
  setView(view) {
    if (view === this.view) return;
    this.view = view;
    this.showLevels();
  }

  /** The level of the landmarks of this view, else of those that were set last, as alerts name it. */
  get planned() {
    const named = Object.values(this.agreed).filter((each) => each.level);
    const newest = named.sort((left, right) => right.number - left.number)[0];
    return this.agreed[this.view]?.level ?? newest?.level ?? null;
  }

  get level() {
    return this.chosen ?? this.planned ?? (this.known.length === 1 ? this.known[0] : null);
  }

  /** Landmarks say which body is being filled: they count for more than a touch before them. */
  agree({ number, data: { view, level } }) {
    if (this.agreed[view]?.number > number) return;
    this.agreed[view] = { number, level };
    this.setLevels(this.known, level ? null : this.chosen);
  }

  showLevels() {
    const { known, level } = this;
    const buttons = known.map((each) => {
      const made = element("button", "act", each);
      made.type = "button";
      made.setAttribute("aria-pressed", String(each === level));
      made.addEventListener("click", () => this.setLevels(known, each));
      return made;
    });
    this.otherLevel.options[0].text = known.length ? "other" : "which level?";
    this.levels.replaceChildren(element("span", "", "At"), ...buttons, this.otherLevel);
    this.levels.dataset.wanted = known.length > 1 && level === null;
  }

  buildVolumes() {
    this.volumes = element("div", "log-choice");
    this.volumes.append(element("span", "", "How much cement?"));
    for (const volume of [...ALIQUOTS_ML, null]) {
      const made = element("button", "act", volume === null ? "not measured" : `${volume} ml`);
      made.type = "button";
      made.addEventListener("click", () => this.write({ type: "aliquot", volume_ml: volume }));
      this.volumes.append(made);
    }
    this.volumes.hidden = true;
    return this.volumes;
  }

  buildNote() {
    this.noteForm = element("form", "log-choice");
    const label = element("label", "log-note", "Note");
    this.text = element("input");
    Object.assign(this.text, { type: "text", maxLength: 4000, required: true, autocomplete: "off" });
    label.append(this.text);
    this.noteForm.append(label, element("button", "act", "Write to log"));
    this.noteForm.addEventListener("submit", (event) => {
      event.preventDefault();
      this.write({ type: "note", text: this.text.value });
    });
    this.noteForm.hidden = true;
    return this.noteForm;
  }

  turn(choice) {
    const isOpen = choice.hidden;
    this.volumes.hidden = this.noteForm.hidden = true;
    choice.hidden = !isOpen;
    this.aliquot.setAttribute("aria-expanded", String(!this.volumes.hidden));
    this.note.setAttribute("aria-expanded", String(!this.noteForm.hidden));
    if (isOpen) choice.querySelector("button, input").focus();
  }

  /** What this procedure's log says already: a screen opened late shows the same clocks. */
  async follow(procedure) {
    this.clear();
    this.procedure = procedure;
    this.show();
    let after = 0;
    for (;;) {
      const page = await ask(`procedures/${encodeURIComponent(procedure)}/log?types=${READ}&after=${after}&limit=${PAGE}`);
      if (this.procedure !== procedure) return;
      for (const entry of page.items) this.see(entry);
      if (page.items.length < PAGE) return;
      after = page.next_after;
    }
  }

  clear() {
    this.procedure = null;
    this.agreed = {};
    this.seen = new Set();
    this.mixedAt = this.injectedAt = this.stoppedAt = null;
    this.isInjecting = false;
    this.nAliquots = this.aliquotsMl = this.nResistances = this.nNeedles = 0;
    this.isMeasured = true;
    say(this.words, "");
    this.show();
  }

  /** A line of the log, by whomever; each counts once. */
  see(entry) {
    if (!READ.includes(entry.type) || this.seen.has(entry.number)) return;
    this.seen.add(entry.number);
    if (entry.type === "plan_set") this.agree(entry);
    const at = Date.parse(entry.at);
    const { level } = entry.data;
    if (level && !this.known.includes(level)) this.setLevels([...this.known, level], this.planned ? this.chosen : this.level);
    if (entry.type === "cement_mixed") this.mixedAt = at;
    if (entry.type === "needle_placed") this.nNeedles += 1;
    if (entry.type === "injection_started") [this.isInjecting, this.injectedAt] = [true, at];
    if (entry.type === "injection_stopped") [this.isInjecting, this.stoppedAt] = [false, at];
    if (entry.type === "resistance") this.nResistances += 1;
    if (entry.type === "aliquot") {
      this.nAliquots += 1;
      this.aliquotsMl += entry.data.volume_ml ?? 0;
      this.isMeasured &&= entry.data.volume_ml !== null;
    }
    this.show();
  }

  show() {
    this.node.dataset.open = this.procedure !== null;
    this.started.dataset.running = this.isInjecting;
    this.mixed.dataset.running = this.mixedAt !== null;
    const total = this.aliquotsMl ? ` · ${this.isMeasured ? "" : "at least "}${this.aliquotsMl.toFixed(1)} ml` : "";
    say(this.aliquot.more, this.nAliquots ? `${this.nAliquots} so far${total}` : "");
    say(this.needle.more, this.nNeedles ? `${this.nNeedles} so far` : "");
    say(this.resistance.more, this.nResistances ? `${this.nResistances} noted` : "");
    this.tick();
  }

  /** The clocks since mixing and since the injection began. */
  tick() {
    const since = (at) => passed((this.serverNow() - at) / 1000);
    say(this.mixed.more, this.mixedAt === null ? "" : `${since(this.mixedAt)} ago`);
    say(this.started.more, this.isInjecting ? `running ${since(this.injectedAt)}` : "");
    say(this.stopped.more, this.stoppedAt && !this.isInjecting ? `at ${clock(this.stoppedAt)}` : "");
    if (this.toldAt && performance.now() - this.toldAt > TOLD_MS) {
      this.toldAt = null;
      say(this.words, "");
    }
  }

  async write(line) {
    const procedure = this.procedure;
    if (procedure === null) return;
    this.volumes.hidden = this.noteForm.hidden = true;
    this.setBusy(true);
    try {
      const entry = await send(`procedures/${encodeURIComponent(procedure)}/log`, this.level && line.type !== "cement_mixed" ? { level: this.level, ...line } : line);
      if (this.procedure !== procedure) return;
      this.see(entry);
      this.text.value = "";
      this.tell(`Logged ${clock(entry.at)}: ${plain(line.type)}${line.volume_ml ? `, ${line.volume_ml} ml` : ""}${entry.data.level ? `, ${entry.data.level}` : ""}`, "done");
    } catch (error) {
      this.tell(`Not logged: ${error.status ? error.message : "no answer from cementwatch. Try again."}`, "refused");
    } finally {
      this.setBusy(false);
    }
  }

  tell(words, state) {
    this.words.dataset.state = state;
    this.toldAt = state === "done" ? performance.now() : null;
    say(this.words, words);
  }

  setBusy(isBusy) {
    for (const button of this.buttons.children) button.disabled = isBusy;
  }
}

/** Minutes and seconds, hours where it took so long. */
export function passed(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const two = (part) => String(part).padStart(2, "0");
  const minutes = Math.floor(whole / 60);
  return minutes < 60 ? `${minutes}:${two(whole % 60)}` : `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(whole % 60)}`;
}
