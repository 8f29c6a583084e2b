// A table from elsewhere: looked at as a whole first, every bad cell named, then taken whole or not at all.

import { send } from "./link.js";
import { SHEETS } from "./sheets.js";
import { counted, element, plain, say, sentence } from "./words.js";

const PATIENCE_MS = 60_000;

export class Intake {
  constructor() {
    this.text = null;
    this.node = element("section", "intake");
    this.node.setAttribute("aria-label", "Import");
    this.kind = element("select");
    this.kind.append(...Object.values(SHEETS).map(({ address }) => Object.assign(element("option", "", sentence(address)), { value: address })));
    this.file = Object.assign(element("input"), { type: "file", accept: ".csv,text/csv" });
    this.take = element("button", "act", "Import");
    this.take.type = "button";
    this.take.dataset.act = "acknowledge";
    this.take.disabled = true;
    this.words = element("p", "intake-words");
    this.words.setAttribute("role", "status");
    this.cells = element("table", "cells");
    this.kind.addEventListener("change", () => this.check());
    this.file.addEventListener("change", () => this.read());
    this.take.addEventListener("click", () => this.write());
    this.node.append(element("h2", "", "Import a table"), element("p", "field-hint", "One CSV file of one kind, in UTF-8, with the columns of the data dictionary. A file is looked at before anything is written, and taken whole or not at all."), this.buildForm(), this.words, this.cells);
  }

  buildForm() {
    const form = element("div", "intake-form");
    for (const [words, input] of [["What stands in it", this.kind], ["File", this.file]]) {
      const label = element("label", "", words);
      label.append(input);
      form.append(label);
    }
    form.append(this.take);
    return form;
  }

  /** The file as it is now; its name says what stands in it where it is one of ours. */
  async read() {
    const [file] = this.file.files;
    this.text = file ? await file.arrayBuffer() : null;
    const named = Object.values(SHEETS).find(({ address }) => file?.name === `${address}.csv`);
    if (named) this.kind.value = named.address;
    await this.check();
  }

  async check() {
    this.take.disabled = true;
    this.cells.replaceChildren();
    if (!this.text) return say(this.words, "");
    this.tell("doubt", "Looking at every cell");
    try {
      this.show(await this.send(true));
    } catch (error) {
      this.refuse(error);
    }
    return undefined;
  }

  send(isDry) {
    const options = { body: this.text, patience: PATIENCE_MS, headers: { "Content-Type": "text/csv" } };
    return send(`record/${this.kind.value}/import?dry_run=${isDry}`, undefined, options);
  }

  show({ n_rows, n_new, n_changed, n_same, bad }) {
    this.take.disabled = bad.length > 0 || n_new + n_changed === 0;
    say(this.take, bad.length ? "Import" : `Import ${counted(n_new + n_changed, "row")}`);
    const rows = `${counted(n_rows, "row")}: ${n_new} new, ${n_changed} changed, ${n_same} there already.`;
    if (!bad.length) return this.tell("good", `${rows} Every cell can be taken; nothing is written yet.`);
    this.tell("bad", `${counted(bad.length, "cell")} of ${counted(n_rows, "row")} cannot be taken. Nothing is written: mend the file and choose it again.`);
    return this.list(bad);
  }

  list(bad) {
    const line = (cells, tag) => {
      const row = element("tr");
      row.append(...cells.map((cell) => element(tag, "", cell)));
      return row;
    };
    this.cells.replaceChildren(line(["Line", "Column", "What may stand there"], "th"), ...bad.map((each) => line([String(each.line), each.column, each.expected.replace(/^expected /, "")], "td")));
  }

  async write() {
    this.take.disabled = true;
    try {
      const { n_new, n_changed } = await this.send(false);
      this.text = null;
      this.file.value = "";
      this.tell("good", `Written: ${n_new} new, ${n_changed} changed.`);
    } catch (error) {
      this.refuse(error);
      if (error.code === "bad_cells") this.list(error.details.cells);
      else this.take.disabled = false;
    }
  }

  refuse(error) {
    this.tell("bad", error.status ? `Nothing is written. ${plain(error.message)}` : "No answer from cementwatch. Nothing is known to be written: choose the file again.");
  }

  tell(state, words) {
    this.words.dataset.state = state;
    say(this.words, words);
  }
}
