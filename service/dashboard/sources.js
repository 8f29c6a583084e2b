// One panel per source: the latest frame, what it measures, and what its view cannot show.

import { ask, pictureUrl } from "./link.js";
import { STATE_WORDS, age, element, number, plain, say, seconds, sentence, zones } from "./words.js";

const OLD_FRAME_S = 3;

function tell(figure, value, digits, more) {
  say(figure.value, number(value, digits));
  say(figure.more, more);
  figure.box.dataset.known = value !== null && value !== undefined;
}

class Panel {
  constructor(name) {
    this.procedure = null;
    this.mode = null;
    this.frameAge = null;
    this.heardAt = 0;
    this.wanted = null;
    this.isLoading = false;
    this.shown = null;
    this.lastNumber = 0;
    this.build(name);
  }

  build(name) {
    this.node = element("article", "source");
    this.node.dataset.source = name;
    const head = element("header");
    this.state = element("span", "state");
    this.title = element("span", "source-name", name);
    this.about = element("span", "about");
    this.ageText = element("span", "age");
    head.append(this.state, this.title, this.about, this.ageText);
    this.node.append(head, this.buildPicture(), this.buildFigures(), this.buildZones());
  }

  buildPicture() {
    const stage = element("div", "stage");
    this.picture = element("img", "picture");
    this.picture.alt = "Latest frame with outlines of cement, zones and vertebral body";
    this.picture.hidden = true;
    this.badge = element("div", "view-badge");
    this.old = element("div", "old-frame");
    this.old.hidden = true;
    this.replay = element("div", "replay-badge", "Replay");
    this.replay.hidden = true;
    stage.append(this.picture, this.badge, this.replay, this.old);
    return stage;
  }

  buildFigures() {
    const row = element("dl", "figures");
    this.figures = {};
    for (const [key, label, unit] of [
      ["distance", "To posterior wall", "mm"], ["speed", "Speed", "mm/s"], ["time", "Time to wall", "s"],
      ["volume", "Cement", "ml"],
    ]) {
      const box = element("div", "figure");
      const value = element("span", "value", "–");
      const more = element("span", "more");
      const line = element("dd");
      line.append(value, element("span", "unit", unit));
      box.append(element("dt", "", label), line, more);
      row.append(box);
      this.figures[key] = { box, value, more };
    }
    return row;
  }

  buildZones() {
    const list = element("div", "zones");
    this.watched = element("p", "watched");
    this.hidden = element("p", "not-visible");
    this.flags = element("p", "flags");
    list.append(this.watched, this.hidden, this.flags);
    return list;
  }

  /** The heartbeat's word on this source. */
  hear(source) {
    this.node.dataset.state = source.state;
    say(this.state, STATE_WORDS[source.state] ?? plain(source.state));
    this.frameAge = source.frame_age_s;
    this.heardAt = performance.now();
    say(this.badge, source.view ? `${plain(source.view)} view` : "");
    say(this.watched, `Watched: ${zones(source.zones_watched)}`);
    say(this.hidden, `Not, or only in part, shown by this view: ${zones(source.zones_not_visible)}`);
    const flags = source.flags.map(plain).join(", ");
    say(this.flags, flags ? `Keep in mind: ${flags}` : "");
    if (source.procedure !== this.procedure) this.follow(source.procedure);
  }

  /** Another procedure: its patient, level and last frame. */
  async follow(id) {
    this.procedure = id;
    say(this.about, "");
    this.clear();
    if (!id) return;
    try {
      const procedure = await ask(`procedures/${encodeURIComponent(id)}`);
      const levels = procedure.levels.join(", ");
      say(this.about, [procedure.patient.name, levels, plain(procedure.kind)].filter(Boolean).join(" · "));
      this.setMode(procedure.mode);
      await this.catchUp();
    } catch {
      this.procedure = null;
    }
  }

  /** The newest measurement, for a screen that has just been opened or that polls. */
  async catchUp() {
    if (!this.procedure) return;
    const page = await ask(`procedures/${encodeURIComponent(this.procedure)}/measurements?latest=true`);
    for (const item of page.items) {
      if (item.number > this.lastNumber) this.measure(item.number, item);
    }
  }

  clear() {
    this.lastNumber = 0;
    for (const figure of Object.values(this.figures)) tell(figure, null, 0, "");
  }

  setMode(mode) {
    this.mode = mode;
    this.replay.hidden = mode !== "replay";
  }

  /** A judged frame from the live stream. */
  see(entry) {
    const front = entry.data.front ?? {};
    this.setMode(entry.data.mode ?? this.mode);
    this.measure(entry.number, {
      frame: entry.frame,
      distance_to_wall_mm: front.distance_mm,
      speed_mm_s: front.speed_mm_s,
      seconds_to_wall: front.seconds_to_wall,
      cement_volume_ml: entry.data.cement_volume_ml,
    });
  }

  measure(number_, item) {
    this.lastNumber = number_;
    const { distance, speed, time, volume } = this.figures;
    const left = item.distance_to_wall_mm;
    const isCrossed = left < 0;
    tell(distance, isCrossed ? -left : left, 1, isCrossed ? "beyond the wall" : "");
    distance.box.dataset.crossed = isCrossed;
    tell(speed, item.speed_mm_s, 2, "");
    const [value, range] = seconds(item.seconds_to_wall);
    tell(time, item.seconds_to_wall ? Number(value) : null, 0, range);
    const band = item.cement_volume_ml;
    tell(volume, band?.low, 1, "");
    if (band) say(volume.value, `${number(band.low, 1)}–${number(band.high, 1)}`);
    if (item.frame) this.show(item.frame);
  }

  /** Load the newest frame wanted; frames that come faster than pictures load are passed over. */
  async show(frame) {
    this.wanted = frame;
    if (this.isLoading) return;
    this.isLoading = true;
    while (this.wanted && this.wanted !== this.shown) {
      const next = this.wanted;
      const picture = new Image();
      picture.src = pictureUrl(next, this.procedure, this.width());
      try {
        await picture.decode();
        this.picture.src = picture.src;
        this.picture.hidden = false;
        this.picture.dataset.frame = `${next.sop_instance_uid}/${next.index}`;
      } catch {
        if (this.wanted === next) this.wanted = null;
      }
      this.shown = next;
    }
    this.isLoading = false;
  }

  /** As wide as it will be shown, in steps, so that lines and labels stay crisp. */
  width() {
    const { clientWidth, clientHeight } = this.picture.parentElement;
    const ratio = this.picture.naturalWidth / this.picture.naturalHeight || 1;
    const wanted = Math.min(clientWidth, clientHeight * ratio) * Math.min(devicePixelRatio, 2);
    return Math.min(1600, Math.max(480, Math.ceil(wanted / 80) * 80));
  }

  /** Ages go on without news. */
  tick() {
    if (this.frameAge === null) {
      say(this.ageText, "no frame yet");
      this.old.hidden = true;
      return;
    }
    const now = this.frameAge + (performance.now() - this.heardAt) / 1000;
    say(this.ageText, `frame ${age(now)}`);
    this.old.hidden = now < OLD_FRAME_S;
    say(this.old, `Not live: last frame ${age(now)}`);
  }
}

/** All panels. */
export class Sources {
  constructor(root, empty) {
    this.root = root;
    this.empty = empty;
    this.panels = new Map();
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
    this.root.dataset.count = this.panels.size;
    this.isWatching = list.some((source) => source.state === "watching");
    this.states = list.map((source) => `${source.name}: ${STATE_WORDS[source.state] ?? sentence(source.state)}`);
  }

  see(entry) {
    if (entry.source && this.panels.has(entry.source)) this.panels.get(entry.source).see(entry);
  }

  catchUp() {
    for (const panel of this.panels.values()) panel.catchUp().catch(() => {});
  }

  get isReplay() {
    return [...this.panels.values()].some((panel) => panel.mode === "replay");
  }

  panel(name) {
    if (!this.panels.has(name)) {
      const panel = new Panel(name);
      this.panels.set(name, panel);
      this.root.append(panel.node);
    }
    return this.panels.get(name);
  }

  tick() {
    for (const panel of this.panels.values()) panel.tick();
  }
}
