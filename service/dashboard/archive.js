// The list of procedures: newest first, searched by the server.

import { ask } from "./link.js";
import { codeWords } from "./sheets.js";
import { clock, element, nameOf, plain, say } from "./words.js";

const PAGE = 30;
const PATIENCE_MS = 350;

export class Archive {
  /** `chosen` is called with the id of the procedure that was pressed. */
  constructor(chosen) {
    this.chosen = chosen;
    this.after = 0;
    this.asked = 0;
    this.node = element("div", "archive");
    const label = element("label", "archive-search", "Find a procedure");
    this.search = Object.assign(element("input"), { type: "search", placeholder: "name, id, level, day", maxLength: 200, autocomplete: "off" });
    label.append(this.search);
    this.list = element("ol", "archive-list");
    this.words = element("p", "archive-words");
    this.words.setAttribute("role", "status");
    this.older = element("button", "act", "Older procedures");
    this.older.type = "button";
    this.older.addEventListener("click", () => this.more());
    this.search.addEventListener("input", () => {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.begin(), PATIENCE_MS);
    });
    this.node.append(label, this.words, this.list, this.older);
  }

  begin() {
    this.after = 0;
    return this.more(true);
  }

  async more(isNew = false) {
    const asked = ++this.asked;
    try {
      const path = `procedures?newest=true&limit=${PAGE}&after=${this.after}&search=${encodeURIComponent(this.search.value)}`;
      const page = await ask(path);
      if (asked !== this.asked) return;
      if (isNew) this.list.replaceChildren();
      this.list.append(...page.items.map((procedure) => this.line(procedure)));
      this.after = page.next_after;
      this.older.hidden = page.items.length < PAGE;
      say(this.words, this.list.children.length ? "" : this.search.value ? "No procedure has these words." : "No procedure yet.");
    } catch (error) {
      if (asked === this.asked) say(this.words, error.status ? error.message : "No answer from cementwatch. Try again.");
    }
  }

  line(procedure) {
    const item = element("li");
    const button = element("button", "archive-line");
    button.type = "button";
    button.dataset.procedure = procedure.id;
    const state = procedure.closed_at ? "closed" : "open";
    const mode = procedure.mode && procedure.mode !== "live" ? plain(procedure.mode) : "";
    button.append(
      element("span", "archive-name", nameOf(procedure.patient) || procedure.patient.id || "Patient not named"),
      element("span", "archive-when", `${procedure.opened_at.slice(0, 10)} ${clock(procedure.opened_at)}`),
      element("span", "archive-what", [procedure.levels.join(", "), codeWords(procedure.kind), mode, state].filter(Boolean).join(" · ")),
    );
    button.addEventListener("click", () => this.chosen(procedure.id));
    item.append(button);
    return item;
  }

  mark(id) {
    for (const button of this.list.querySelectorAll("button")) button.setAttribute("aria-current", String(button.dataset.procedure === id));
  }
}
