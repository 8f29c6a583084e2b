// The landmarks editor: four corners on a picture, or what was found, agreed by a person. They hold from the next frame on.

import { LEVELS, beginningOf, cornerNames, cornerWords, cornersOf, troubleWith } from "./corners.js";
import { ask, frameUrl, send } from "./link.js";
import { Plate } from "./plate.js";
import { element, percent, plain, say } from "./words.js";

const FOLLOW_MS = 400;

export class Landmarks {
  /** `root` is an empty section of the page. */
  constructor(root) {
    this.root = root;
    this.plate = new Plate(() => this.show());
    this.panel = null;
    this.isFollowing = false;
    this.build();
    root.addEventListener("keydown", (event) => event.key === "Escape" && this.close());
    setInterval(() => this.isFollowing && this.takeNewest(), FOLLOW_MS);
  }

  build() {
    const side = element("div", "landmarks-side");
    this.title = element("h2");
    this.title.tabIndex = -1;
    this.origin = element("p", "landmarks-origin");
    this.step = element("p", "landmarks-step");
    this.step.setAttribute("role", "status");
    this.list = element("ol", "corner-list");
    this.words = element("p", "refused");
    this.words.setAttribute("role", "alert");
    const acts = element("div", "acts");
    this.save = this.button("Save landmarks", () => this.write());
    this.save.dataset.act = "acknowledge";
    acts.append(this.save, this.button("Start over", () => this.startOver()), this.button("Cancel", () => this.close()));
    side.append(
      this.title, this.buildViews(), this.origin, this.step, this.list, this.buildFields(), this.buildPictureChoice(),
      this.words, acts,
    );
    const table = element("div", "table");
    table.append(this.plate.node, this.plate.loupe);
    this.root.append(table, side);
  }

  button(label, act) {
    const made = element("button", "act", label);
    made.type = "button";
    made.addEventListener("click", act);
    return made;
  }

  buildViews() {
    const row = element("div", "choice");
    row.setAttribute("role", "group");
    row.setAttribute("aria-label", "View");
    this.views = {};
    for (const [view, label] of [["lateral", "Lateral"], ["ap", "AP"]]) {
      this.views[view] = this.button(label, () => this.choose(view));
      row.append(this.views[view]);
    }
    return row;
  }

  buildFields() {
    const fields = element("div", "landmarks-fields");
    this.level = element("select");
    this.level.append(...["", ...LEVELS].map((level) => Object.assign(element("option", "", level || "not said"), { value: level })));
    this.wall = element("select");
    for (const [value, label] of [["intact", "intact"], ["broken", "broken: warn earlier"]]) {
      this.wall.append(Object.assign(element("option", "", label), { value }));
    }
    this.scale = Object.assign(element("input"), { type: "number", min: 0.02, max: 2, step: "any", placeholder: "from the image" });
    for (const [label, field] of [["Level", this.level], ["Posterior wall", this.wall], ["Scale, mm per pixel", this.scale]]) {
      const line = element("label", "", label);
      line.append(field);
      fields.append(line);
    }
    return fields;
  }

  buildPictureChoice() {
    const row = element("div", "choice");
    this.newest = this.button("Newest picture", () => this.takeNewest());
    this.live = this.button("Follow live", () => this.follow(!this.isFollowing));
    this.closer = this.button("Close-up", () => {
      this.plate.setClose(!this.plate.isClose);
      this.closer.setAttribute("aria-pressed", String(this.plate.isClose));
    });
    for (const button of [this.live, this.closer]) button.setAttribute("aria-pressed", "false");
    row.append(this.newest, this.live, this.closer);
    return row;
  }

  /** Begin on one source, in the view that it shows now. */
  async open(panel) {
    if (!panel.procedure || !panel.frame) return;
    Object.assign(this, { panel, procedure: panel.procedure, opener: document.activeElement });
    this.root.hidden = false;
    document.body.dataset.editing = "landmarks";
    say(this.title, `Landmarks · ${panel.name}`);
    this.follow(false);
    this.title.focus();
    await this.choose(panel.view === "ap" ? "ap" : "lateral");
  }

  close() {
    this.follow(false);
    this.root.hidden = true;
    delete document.body.dataset.editing;
    this.panel = null;
    this.opener?.focus();
  }

  /** What is agreed or found in this view, on the picture that it belongs to. */
  async choose(view) {
    this.view = view;
    for (const [each, button] of Object.entries(this.views)) button.setAttribute("aria-pressed", String(each === view));
    say(this.words, "");
    let plan = null;
    try {
      plan = await ask(`procedures/${encodeURIComponent(this.procedure)}/plan/${view}`);
    } catch (error) {
      if (error.status !== 404) say(this.words, "What was found cannot be had now: place the corners yourself.");
    }
    if (!this.panel || this.view !== view) return;
    this.plan = plan;
    this.level.value = plan?.level ?? this.panel.levels[0] ?? "";
    this.wall.value = plan?.posterior_wall ?? "intact";
    this.scale.value = plan?.origin === "operator" && plan.mm_per_px !== null ? plan.mm_per_px : "";
    this.plate.setCorners(view, cornersOf(plan, view));
    await this.load(plan?.frame ?? this.panel.frame);
    this.show();
  }

  async load(frame) {
    try {
      await this.plate.load(frameUrl(frame, this.procedure));
      this.frame = { sop_instance_uid: frame.sop_instance_uid, index: frame.index };
    } catch {
      if (frame !== this.panel?.frame) return this.load(this.panel.frame);
      say(this.words, "This picture cannot be shown. Try the newest picture.");
    }
  }

  async takeNewest() {
    const frame = this.panel?.frame;
    if (!frame || this.isLoading || frame.sop_instance_uid + frame.index === this.frame?.sop_instance_uid + this.frame?.index) return;
    this.isLoading = true;
    await this.load(frame);
    this.isLoading = false;
  }

  follow(isFollowing) {
    this.isFollowing = isFollowing;
    this.live.setAttribute("aria-pressed", String(isFollowing));
  }

  startOver() {
    this.plan = null;
    this.plate.setCorners(this.view, cornersOf(null, this.view));
    this.show();
  }

  show() {
    const { corners } = this.plate;
    say(this.origin, this.originWords());
    const trouble = troubleWith(corners, this.view);
    const next = this.plate.next;
    say(this.step, next ? `Click the ${cornerWords(next, this.view)} corner.` : trouble || "Drag a corner to correct it; arrow keys move it by a pixel.");
    this.step.dataset.state = trouble && !next ? "wrong" : "";
    this.save.disabled = Boolean(trouble);
    say(this.save, this.isAsFound() ? "Accept what was found" : "Save landmarks");
    this.list.replaceChildren(...cornerNames(this.view).map((name) => this.cornerLine(name)));
  }

  originWords() {
    if (!this.plan) return "Nothing to accept in this view: place the four corners.";
    if (this.plan.origin === "operator") return "Set by hand before. Changes replace it.";
    return `Found automatically, trust ${percent(this.plan.trust ?? 0)}. Look before you accept it.`;
  }

  isAsFound() {
    const names = cornerNames(this.view);
    return this.plan?.origin === "found" && names.every((name) => this.plate.corners[name]?.join() === this.plan[name]?.join());
  }

  /** One corner in words; a press puts a missing one into the picture, where arrow keys move it. */
  cornerLine(name) {
    const line = element("li");
    const at = this.plate.corners[name];
    const button = this.button(cornerWords(name, this.view), () => {
      if (!this.plate.corners[name]) this.plate.put(name, beginningOf(name, this.plate.size));
      this.plate.focus(name);
    });
    button.className = "corner-name";
    line.append(button, element("span", "", at ? `row ${Math.round(at[0])}, column ${Math.round(at[1])}` : "not placed"));
    line.dataset.next = name === this.plate.next;
    return line;
  }

  async write() {
    const content = { ...this.plate.corners, frame: this.frame, posterior_wall: this.wall.value };
    if (this.level.value) content.level = this.level.value;
    if (this.scale.value) content.mm_per_px = Number(this.scale.value);
    this.save.disabled = true;
    say(this.words, "");
    try {
      const { panel } = this;
      await send(`procedures/${encodeURIComponent(this.procedure)}/plan/${this.view}`, content, { method: "PUT" });
      say(panel.body, "Landmarks saved. They hold from the next frame on.");
      this.close();
    } catch (error) {
      say(this.words, `Not saved. ${error.status ? plain(error.message) : "No answer from cementwatch. Try again."}`);
      this.save.disabled = false;
    }
  }
}
