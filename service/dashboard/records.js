// The place of records: patients on the left, and one record, the charts of all, or an import beside them.

import { Cohorts } from "./cohorts.js";
import { Intake } from "./intake.js";
import { ask, send } from "./link.js";
import { Record } from "./record.js";
import { codeWords, loadDictionary } from "./sheets.js";
import { element, say } from "./words.js";

const PAGE = 30;
const PARTS = [["", "Records"], ["charts", "Charts"], ["import", "Import"]];

export class Records {
  /** `root` is an empty section; `go` changes the address of the page. */
  constructor(root, go) {
    Object.assign(this, { root, go, after: 0 });
    this.cohorts = new Cohorts();
    this.intake = new Intake();
    this.build();
    window.addEventListener("beforeunload", (event) => this.record && !this.record.isClean && event.preventDefault());
  }

  build() {
    this.parts = element("nav", "record-parts");
    this.parts.setAttribute("aria-label", "Records");
    for (const [part, words] of PARTS) {
      const link = element("a", "", words);
      link.href = `#record${part ? `/${part}` : ""}`;
      link.dataset.part = part;
      this.parts.append(link);
    }
    const label = element("label", "archive-search", "Find a patient");
    this.search = Object.assign(element("input"), { type: "search", placeholder: "whole pseudonym", maxLength: 64, autocomplete: "off" });
    label.append(this.search);
    this.search.addEventListener("change", () => this.list());
    this.words = element("p", "patients-words");
    this.words.setAttribute("role", "status");
    this.patients = element("ol", "archive-list");
    this.older = element("button", "act", "Older");
    this.older.type = "button";
    this.older.addEventListener("click", () => this.more());
    const fresh = element("a", "act fresh", "New record");
    fresh.href = "#record/new";
    this.side = element("div", "archive");
    this.side.append(fresh, label, this.words, this.patients, this.older);
    this.stage = element("div", "record-stage");
    const columns = element("div", "record-columns");
    columns.append(this.side, this.stage);
    this.root.append(this.parts, columns);
  }

  /** What the address names: nothing, a record, a procedure's record, a new one, charts or an import. */
  async open(what, id) {
    const place = `${what}/${id}`;
    if (place === this.place) return;
    if (this.record && !this.record.isClean) return this.stay(what, id);
    this.place = place;
    for (const link of this.parts.children) {
      const isHere = link.dataset.part === (["charts", "import"].includes(what) ? what : "");
      if (isHere) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    this.side.hidden = ["charts", "import", "o"].includes(what);
    this.record = null;
    this.stage.replaceChildren(element("p", "case-empty", "Loading"));
    try {
      if (!this.side.hidden) this.list();
      const shown = await this.shownAt(what, id);
      if (this.place === place) this.stage.replaceChildren(...shown);
    } catch (error) {
      if (this.place === place) this.stage.replaceChildren(element("p", "case-empty refused", error.status ? error.message : "No answer from cementwatch. Try again."));
    }
  }

  /** What is typed and not saved is not left by a press on a link; what is only being saved is waited for. */
  async stay(what, id) {
    const { record } = this;
    const leave = () => {
      if (this.record === record) this.record = null;
      this.go(["record", what, id].filter(Boolean).map(encodeURIComponent).join("/"));
    };
    this.go(`record/o/${encodeURIComponent(record.id)}`);
    if (await record.settle()) leave();
    else record.warn(leave);
  }

  /** Another place of the page: a record in work stays as it is until somebody comes back. */
  close() {
    if (!this.record || this.record.isClean) this.record = this.place = null;
  }

  async shownAt(what, id) {
    if (what === "charts") return [await this.cohorts.open()];
    if (what === "import") return [this.intake.node];
    if (what === "o") return [await this.openRecord(id)];
    if (what === "p") return [await this.openProcedure(id)];
    if (what === "new") return [this.buildBeginning(null)];
    return [element("p", "case-empty", "Choose a patient, or begin a new record.")];
  }

  async openRecord(id) {
    const record = new Record(await loadDictionary(ask));
    await record.open(id);
    if (this.filled?.operation.id === id) record.tellUnplaced(this.filled.unplaced);
    this.record = record;
    return record.node;
  }

  /** The record of a procedure that was watched live, or the question whose it is. */
  async openProcedure(procedure) {
    try {
      const { operation } = await ask(`procedures/${encodeURIComponent(procedure)}/record`);
      this.go(`record/o/${encodeURIComponent(operation.id)}`);
      return element("p", "case-empty", "Loading");
    } catch (error) {
      if (error.status !== 404) throw error;
      await ask(`procedures/${encodeURIComponent(procedure)}`);
      return this.buildBeginning(procedure);
    }
  }

  buildBeginning(procedure) {
    const form = element("form", "beginning");
    const title = procedure ? "Whose procedure was it?" : "New record";
    const about = procedure ? "The record is filled in from the journal: levels, needles, aliquots, leaks seen live. You confirm, correct and add." : "For a procedure that was not watched here.";
    const label = element("label", "", "Pseudonym of the patient, new or known; never a name");
    const name = Object.assign(element("input"), { type: "text", required: true, maxLength: 64, autocomplete: "off", spellcheck: false });
    label.append(name);
    form.append(element("h2", "", title), element("p", "", about), label);
    const kind = procedure ? null : this.buildKinds(form);
    const words = element("p", "refused");
    words.setAttribute("role", "alert");
    form.append(element("button", "act", procedure ? "Fill in from the journal" : "Begin"), words);
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      try {
        const patient = await patientNamed(name.value.trim());
        const path = procedure ? `procedures/${encodeURIComponent(procedure)}/record` : "record/operations";
        const made = await send(path, procedure ? { patient } : { patient, kind: kind.value });
        this.filled = procedure ? made : null;
        this.go(`record/o/${encodeURIComponent(procedure ? made.operation.id : made.id)}`);
      } catch (error) {
        say(words, error.status ? error.message : "No answer from cementwatch. Try again.");
      }
    });
    return form;
  }

  buildKinds(form) {
    const label = element("label", "", "Kind of operation");
    const select = element("select");
    label.append(select);
    form.append(label);
    loadDictionary(ask).then(({ operation }) => {
      select.append(...operation.get("kind").values.map((value) => Object.assign(element("option", "", codeWords(value)), { value })));
    }, () => {});
    return select;
  }

  list() {
    this.after = 0;
    return this.more(true);
  }

  async more(isNew = false) {
    const named = this.search.value.trim();
    const query = named ? `pseudonym=${encodeURIComponent(named)}` : `newest=true&limit=${PAGE}&after=${this.after}`;
    try {
      const page = await ask(`record/patients?${query}`);
      if (isNew) this.patients.replaceChildren();
      this.patients.append(...page.items.map((patient) => this.line(patient)));
      this.after = page.next_after;
      this.older.hidden = Boolean(named) || page.items.length < PAGE;
      say(this.words, this.patients.children.length ? "" : named ? "No patient has this pseudonym." : "No patient yet.");
    } catch (error) {
      say(this.words, error.status ? error.message : "No answer from cementwatch. Try again.");
    }
  }

  line(patient) {
    const item = element("li");
    const button = element("button", "archive-line");
    button.type = "button";
    button.append(
      element("span", "archive-name", patient.pseudonym),
      element("span", "archive-what", [codeWords(patient.primary_tumour), patient.arm, `changed ${patient.recorded_at.slice(0, 10)}`].filter(Boolean).join(" · ")),
    );
    button.addEventListener("click", () => this.choose(patient, item));
    item.append(button);
    return item;
  }

  /** One operation opens at once; of several one is chosen. */
  async choose(patient, item) {
    const page = await ask(`record/operations?owner=${encodeURIComponent(patient.id)}`).catch(() => null);
    if (!page) return say(this.words, "No answer from cementwatch. Try again.");
    if (page.items.length === 1) return this.go(`record/o/${encodeURIComponent(page.items[0].id)}`);
    item.querySelector(".operations")?.remove();
    const list = element("div", "operations");
    for (const operation of page.items) {
      const link = element("a", "act", [operation.performed_on, codeWords(operation.kind)].filter(Boolean).join(" · "));
      link.href = `#record/o/${encodeURIComponent(operation.id)}`;
      list.append(link);
    }
    if (!page.items.length) list.append(element("p", "archive-what", "No operation is recorded."));
    item.append(list);
    return undefined;
  }
}

/** The id of the patient with this pseudonym, who is added when there is none. */
async function patientNamed(pseudonym) {
  const [known] = (await ask(`record/patients?pseudonym=${encodeURIComponent(pseudonym)}`)).items;
  return known ? known.id : (await send("record/patients", { pseudonym })).id;
}
