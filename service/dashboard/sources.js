// All sources of the room side by side; one of many can be enlarged.

import { Panel } from "./panel.js";
import { STATE_WORDS, sentence } from "./words.js";

const MOST_WHOLE = 4; // more than this many are shown small

/** The sources that show what an alert is about. */
const sourcesOf = (alert) => [alert.source, ...alert.witnesses.filter((each) => each.condition === "present").map((each) => each.source)];

export class Sources {
  /** `place` is told to each panel. */
  constructor(root, empty, place) {
    this.root = root;
    this.empty = empty;
    this.place = { ...place, enlarge: (panel) => this.enlarge(panel) };
    this.panels = new Map();
    this.enlarged = null;
  }

  hear(list) {
    for (const source of list) this.panel(source.name).hear(source);
    for (const [name, panel] of this.panels) {
      if (!list.some((source) => source.name === name)) {
        panel.node.remove();
        this.panels.delete(name);
      }
    }
    this.empty.hidden = this.panels.size > 0;
    this.arrange();
    this.isWatching = list.some((source) => source.state === "watching");
    this.states = list.map((source) => `${source.name}: ${STATE_WORDS[source.state] ?? sentence(source.state)}`);
  }

  arrange() {
    if (!this.panels.has(this.enlarged)) this.enlarged = null;
    const { dataset } = this.root;
    const n = this.panels.size;
    const layout = this.enlarged ? "enlarged" : n > MOST_WHOLE ? "many" : n > 1 ? "few" : "one";
    if (dataset.layout === layout && dataset.count === String(n) && dataset.enlarged === (this.enlarged ?? "")) return;
    Object.assign(dataset, { layout, count: n, enlarged: this.enlarged ?? "" });
    for (const [name, panel] of this.panels) {
      const isIt = name === this.enlarged;
      panel.node.dataset.enlarged = isIt;
      panel.larger.textContent = isIt ? "Show all" : "Enlarge";
      panel.larger.hidden = n < 2;
    }
  }

  enlarge(panel) {
    this.enlarged = this.enlarged === panel.name ? null : panel.name;
    this.arrange();
  }

  /** Which sources have an alert that nobody has acknowledged, and how urgent it is. */
  warn(alerts) {
    for (const [name, panel] of this.panels) {
      const priorities = alerts.filter((alert) => alert.signal === "on" && sourcesOf(alert).includes(name)).map((alert) => alert.priority);
      const worst = ["high", "medium"].find((priority) => priorities.includes(priority)) ?? "";
      if (panel.node.dataset.warned !== worst) panel.node.dataset.warned = worst;
    }
  }

  see(entry) {
    if (entry.source && this.panels.has(entry.source)) this.panels.get(entry.source).see(entry);
    else if (!entry.source) for (const panel of this.panels.values()) panel.see(entry);
  }

  catchUp() {
    for (const panel of this.panels.values()) panel.catchUp().catch(() => {});
  }

  get isReplay() {
    return [...this.panels.values()].some((panel) => panel.mode === "replay");
  }

  panel(name) {
    if (!this.panels.has(name)) {
      const panel = new Panel(name, this.place);
      this.panels.set(name, panel);
      this.root.append(panel.node);
    }
    return this.panels.get(name);
  }

  tick() {
    for (const panel of this.panels.values()) panel.tick();
  }
}
