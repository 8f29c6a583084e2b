// Looking back: one procedure's frames, alerts and log on one line of time, both views side by side, and the way out.

import { Archive } from "./archive.js";
import { TOLD, eventOf, spansOf } from "./events.js";
import { API, ask, frameUrl } from "./link.js";
import { Reel } from "./reel.js";
import { codeWords } from "./sheets.js";
import { Timeline } from "./timeline.js";
import { clock, counted, element, icon, nameOf, number, plain, say, sentence, viewWords } from "./words.js";

const PAGE = 1000;
const STEP_MS = 120;
const EXPORTS = [["html", "Report"], ["pdf", "PDF"], ["json", "JSON"], ["csv", "CSV"], ["jsonl", "Log"]];

export class Review {
  /** `root` is an empty section; `go` changes the address of the page. */
  constructor(root, go) {
    this.root = root;
    this.id = null;
    this.place = 0;
    this.archive = new Archive((id) => go(id));
    this.timeline = new Timeline((at) => this.seek(this.reel?.placeAt(at) ?? 0));
    this.build();
    setInterval(() => this.isPlaying && this.advance(), STEP_MS);
  }

  build() {
    this.case = element("div", "case");
    this.head = element("div", "case-head");
    this.exports = element("nav", "exports");
    this.exports.setAttribute("aria-label", "Export");
    this.pictures = element("div", "case-pictures");
    this.chosen = this.buildPicture("Chosen frame");
    this.other = this.buildPicture("Other view, nearest in time");
    this.events = element("ol", "events");
    this.empty = element("p", "case-empty", "Choose a procedure from the list.");
    const time = element("div", "case-time");
    time.append(this.timeline.node, this.buildScrubber());
    const top = element("div", "case-top");
    this.record = element("div", "case-record");
    top.append(this.head, this.record, this.exports);
    const middle = element("div", "case-middle");
    middle.append(this.pictures, this.events);
    this.case.append(top, middle, time);
    this.case.hidden = true;
    this.root.append(this.archive.node, this.empty, this.case);
  }

  buildPicture(title) {
    const figure = element("figure", "case-picture");
    const picture = element("img");
    picture.alt = title;
    const words = element("figcaption");
    figure.append(picture, words);
    this.pictures.append(figure);
    return { figure, picture, words, title };
  }

  buildScrubber() {
    const row = element("div", "scrubber");
    const button = (label, act) => {
      const made = element("button", "act", label);
      made.type = "button";
      made.addEventListener("click", act);
      return made;
    };
    this.player = button("Play", () => this.play(!this.isPlaying));
    this.slider = Object.assign(element("input"), { type: "range", min: 0, step: 1, value: 0 });
    this.slider.setAttribute("aria-label", "Frame");
    this.slider.addEventListener("input", () => this.seek(Number(this.slider.value)));
    this.where = element("span", "where");
    const overlays = element("label", "overlays", "Overlays");
    this.overlays = Object.assign(element("input"), { type: "checkbox", checked: true });
    this.overlays.addEventListener("change", () => this.seek(this.place));
    overlays.prepend(this.overlays);
    row.append(button("◀ Frame", () => this.seek(this.place - 1)), this.player, button("Frame ▶", () => this.seek(this.place + 1)), this.slider, this.where, overlays);
    return row;
  }

  /** The list, and the procedure that the address names. */
  async open(id) {
    if (!this.archive.list.children.length || !id) await this.archive.begin();
    this.archive.mark(id);
    if (id === this.id) return;
    this.id = id;
    this.play(false);
    this.case.hidden = !id;
    this.empty.hidden = Boolean(id);
    if (id) await this.load(id);
  }

  close() {
    this.play(false);
    this.id = null;
  }

  async load(id) {
    this.reel = new Reel(id);
    this.entries = [];
    this.place = 0;
    this.head.replaceChildren(element("p", "", "Loading"));
    for (const part of [this.events, this.exports, this.record]) part.replaceChildren();
    this.chosen.figure.hidden = this.other.figure.hidden = true;
    try {
      const [procedure] = await Promise.all([ask(`procedures/${encodeURIComponent(id)}`), this.loadEntries(id)]);
      if (this.id !== id) return;
      this.introduce(procedure);
      await this.reel.load(() => this.id === id && this.show());
    } catch (error) {
      if (this.id === id) this.head.replaceChildren(element("p", "refused", error.status ? error.message : "No answer from cementwatch. Try again."));
    }
  }

  async loadEntries(id) {
    for (let after = 0; ; ) {
      const page = await ask(`procedures/${encodeURIComponent(id)}/log?types=${TOLD}&after=${after}&limit=${PAGE}`);
      if (this.id !== id) return;
      this.entries.push(...page.items);
      if (page.items.length < PAGE) return;
      after = page.next_after;
    }
  }

  introduce(procedure) {
    const { patient, counts } = procedure;
    const alerts = ["high", "medium", "low"].map((priority) => `${counts.alerts[priority] ?? 0} ${priority}`).join(", ");
    const until = procedure.closed_at ? `to ${clock(procedure.closed_at)}` : "· still open";
    const mode = procedure.mode === "live" ? "" : sentence(procedure.mode);
    this.head.replaceChildren(
      element("h2", "", nameOf(patient) || patient.id || "Patient not named"),
      element("p", "", [mode, patient.id, procedure.levels.join(", "), codeWords(procedure.kind), `${procedure.opened_at.slice(0, 10)}, ${clock(procedure.opened_at)} ${until}`].filter(Boolean).join(" · ")),
      element("p", "", `${counted(counts.frames, "frame")} judged${counts.frames_failed ? `, ${counts.frames_failed} could not be read` : ""} · alerts: ${alerts}`),
    );
    const links = EXPORTS.map(([form, label]) => {
      const link = element("a", "act", label);
      link.href = `${API}/procedures/${encodeURIComponent(procedure.id)}/report.${form}`;
      if (["html", "pdf"].includes(form)) link.target = "_blank";
      else link.download = `procedure-${procedure.id}.${form}`;
      return link;
    });
    const record = element("a", "act", "Record");
    record.href = `#record/p/${encodeURIComponent(procedure.id)}`;
    this.record.replaceChildren(record);
    this.exports.replaceChildren(element("span", "", "Export"), ...links);
  }

  show() {
    const { frames } = this.reel;
    const events = this.entries.map(eventOf);
    this.events.replaceChildren(...events.map((event) => this.eventLine(event)));
    this.slider.max = Math.max(0, frames.length - 1);
    if (frames.length) {
      this.timeline.show(frames, events, spansOf(this.entries, frames.at(-1).at));
      this.seek(this.place);
    } else {
      say(this.where, "No judged frames");
    }
  }

  eventLine(event) {
    const line = element("li");
    line.dataset.priority = event.priority ?? "";
    const button = element("button", "event");
    button.type = "button";
    button.append(element("span", "event-time", event.time));
    if (event.priority) button.append(icon(event.priority));
    const words = element("span", "event-words", event.words);
    if (event.priority) words.prepend(element("b", "", `${event.priority} `));
    if (event.who) words.append(element("span", "event-who", ` · ${event.who}`));
    button.append(words);
    button.addEventListener("click", () => this.goTo(event));
    line.append(button);
    return line;
  }

  goTo(event) {
    this.play(false);
    const place = event.frame ? this.reel.placeOf(event.frame) : -1;
    this.seek(place >= 0 ? place : this.reel.placeAt(event.at));
  }

  seek(place) {
    const { frames } = this.reel ?? { frames: [] };
    if (!frames.length) return;
    this.place = Math.min(frames.length - 1, Math.max(0, place));
    const frame = frames[this.place];
    this.slider.value = this.place;
    const left = frame.distance_to_wall_mm;
    const distance = left === null ? "" : left < 0 ? ` · ${number(-left, 1)} mm beyond the wall` : ` · ${number(left, 1)} mm to the wall`;
    this.slider.setAttribute("aria-valuetext", `Frame ${this.place + 1} of ${frames.length}, ${clock(frame.at)}`);
    say(this.where, `${this.place + 1} / ${frames.length} · ${clock(frame.at)}${distance}`);
    this.timeline.point(frame.at);
    this.draw(this.chosen, frame);
    this.draw(this.other, this.reel.otherView(frame), frame.at);
  }

  draw(slot, frame, beside = null) {
    slot.figure.hidden = !frame;
    if (!frame) return;
    const apart = beside === null ? 0 : Math.round((frame.at - beside) / 1000);
    const when = beside === null || apart === 0 ? "" : apart < 0 ? `, ${-apart} s earlier` : `, ${apart} s later`;
    const doubt = frame.flags.length ? ` · ${frame.flags.map(plain).join(", ")}` : "";
    slot.wanted = {
      url: frameUrl(frame.frame, this.id, { overlay: this.overlays.checked, width: 800 }),
      words: `${viewWords(frame.view)} view · ${clock(frame.at)}${when}${doubt}`,
    };
    if (!slot.isLoading) this.loadInto(slot);
  }

  /** The newest wish only: whoever scrubs fast passes frames over. Words change with the picture they belong to. */
  async loadInto(slot) {
    slot.isLoading = true;
    for (let wish = null; wish !== slot.wanted; ) {
      wish = slot.wanted;
      const picture = new Image();
      picture.src = wish.url;
      let words = wish.words;
      await picture.decode().then(
        () => Object.assign(slot.picture, { src: wish.url, alt: wish.words }),
        () => {
          slot.picture.removeAttribute("src");
          words = `${wish.words}: cannot be shown, its object may have left the spool.`;
        },
      );
      say(slot.words, words);
    }
    slot.isLoading = false;
  }

  play(isPlaying) {
    this.isPlaying = isPlaying;
    say(this.player, isPlaying ? "Stop" : "Play");
  }

  advance() {
    if (this.chosen.isLoading) return;
    if (this.place + 1 >= (this.reel?.frames.length ?? 0)) this.play(false);
    else this.seek(this.place + 1);
  }
}
