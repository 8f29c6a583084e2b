// One source: its picture, how near the cement is to the wall, what its view cannot show, and its log buttons.

import { Charts, sampleOf } from "./charts.js";
import { Gauge, STEP_WORDS, stepOf } from "./gauge.js";
import { ask } from "./link.js";
import { Logbook } from "./logbook.js";
import { codeWords } from "./sheets.js";
import { Stage } from "./stage.js";
import { STATE_WORDS, age, element, nameOf, number, percent, plain, say, seconds, viewWords, zones } from "./words.js";

const BACK = 3000; // journal lines looked back for the charts of a screen that has just been opened
const PAGE = 1000;
const PICTURE_PATIENCE_MS = 700; // a distance waits no longer for the picture that it was measured on

function tell(figure, value, digits, more) {
  say(figure.value, number(value, digits));
  say(figure.more, more);
  figure.box.dataset.known = value !== null && value !== undefined;
}

/** What other views of the procedure show of the zones that this one does not, and how long ago; then what none in use shows. */
function elsewhere(source) {
  const others = source.views.filter((each) => each.source !== source.name || each.view !== source.view);
  if (!others.length) return "";
  const shown = new Map(others.map((each) => [each, []]));
  for (const zone of source.zones_not_visible) shown.get(others.find((each) => each.zones_shown.includes(zone)))?.push(zone);
  const words = [...shown].filter(([, list]) => list.length).map(([each, list]) => {
    const where = each.source === source.name ? "" : ` of ${each.source}`;
    return `${viewWords(each.view)} view${where}, ${age(each.age_s)}: ${zones(list)}`;
  });
  if (source.zones_blind.length) words.push(`Shown by no view in use: ${zones(source.zones_blind)}`);
  return words.join(". ");
}

/** What a judged frame of the stream measured, in the words of the measurements route. */
function itemOf({ frame, data }) {
  const front = data.front ?? {};
  return {
    frame,
    distance_to_wall_mm: front.distance_mm ?? null,
    distance_share: front.share ?? null,
    depth_mm: front.depth_mm ?? null,
    speed_mm_s: front.speed_mm_s ?? null,
    seconds_to_wall: front.seconds_to_wall ?? null,
    cement_area_mm2: data.cement_area_mm2,
    cement_volume_ml: data.cement_volume_ml,
  };
}

export class Panel {
  /** `place` has openLandmarks(panel), enlarge(panel), serverNow() and tiers. */
  constructor(name, place) {
    this.name = name;
    this.place = place;
    this.procedure = null;
    this.mode = null;
    this.view = null;
    this.frameAge = null;
    this.heardAt = 0;
    this.lastNumber = 0;
    this.levels = [];
    this.forgetWaiting();
    this.node = element("article", "source");
    this.node.dataset.source = name;
    this.node.setAttribute("aria-label", `Source ${name}`);
    this.stage = new Stage(name);
    this.gauge = new Gauge();
    this.charts = new Charts();
    this.logbook = new Logbook(place.serverNow);
    const middle = element("div", "middle");
    const rail = element("div", "rail");
    rail.append(this.buildFigures(), this.buildZones(), this.charts.node);
    middle.append(this.stage.node, rail);
    this.node.append(this.buildHead(name), middle, this.logbook.node);
  }

  buildHead(name) {
    const head = element("header");
    this.state = element("span", "state");
    this.title = element("span", "source-name", name);
    this.about = element("span", "about");
    this.ageText = element("span", "age");
    this.larger = element("button", "quiet larger", "Enlarge");
    this.larger.type = "button";
    this.larger.addEventListener("click", () => this.place.enlarge(this));
    head.append(this.state, this.title, this.about, this.ageText, this.larger);
    return head;
  }

  buildFigures() {
    const box = element("div", "measured");
    const list = element("dl", "figures");
    this.figures = {};
    for (const [key, label_, unit] of [
      ["distance", "To posterior wall", "mm"], ["speed", "Speed", "mm/s"], ["time", "Time to wall", "s"],
      ["volume", "Cement", "ml"],
    ]) {
      const figure = element("div", `figure ${key}`);
      const value = element("span", "value", "–");
      const more = element("span", "more");
      const line = element("dd");
      line.append(value, element("span", "unit", unit), more);
      figure.append(element("dt", "", label_), line);
      list.append(figure);
      this.figures[key] = { box: figure, value, more };
    }
    box.append(list, this.gauge.node);
    return box;
  }

  buildZones() {
    const list = element("div", "zones");
    this.hidden = element("p", "not-visible");
    this.elsewhere = element("p", "elsewhere");
    this.watched = element("p", "watched");
    this.flags = element("p", "flags");
    const row = element("p", "body-line");
    this.body = element("span", "body-words");
    this.landmarks = element("button", "act landmarks-open", "Landmarks");
    this.landmarks.type = "button";
    this.landmarks.addEventListener("click", () => this.place.openLandmarks(this));
    row.append(this.body, this.landmarks);
    list.append(row, this.hidden, this.elsewhere, this.watched, this.flags);
    return list;
  }

  /** The heartbeat's word on this source. */
  hear(source) {
    this.node.dataset.state = source.state;
    say(this.state, STATE_WORDS[source.state] ?? plain(source.state));
    this.frameAge = source.frame_age_s;
    this.heardAt = performance.now();
    this.view = source.view;
    this.stage.setView(source.view);
    this.logbook.setView(source.view);
    const isBlind = source.zones_watched.length === 0;
    say(this.watched, isBlind ? "Watched: no zone" : `Watched: ${zones(source.zones_watched)}`);
    const hidden = source.zones_not_visible;
    say(this.hidden, hidden.length ? `Not, or only in part, shown by this view: ${zones(hidden)}` : "");
    say(this.elsewhere, elsewhere(source));
    const flags = source.flags.map(plain).join(", ");
    say(this.flags, flags ? `Keep in mind: ${flags}` : "");
    if (source.procedure !== this.procedure) this.follow(source.procedure);
  }

  /** Another procedure: its patient, level, log and last frames. */
  async follow(id) {
    this.procedure = id;
    say(this.about, "");
    this.clear();
    if (!id) return;
    try {
      await this.introduce();
      await this.catchUp();
    } catch {
      if (this.procedure === id) this.procedure = null;
    }
  }

  async introduce() {
    const id = this.procedure;
    const procedure = await ask(`procedures/${encodeURIComponent(id)}`);
    if (this.procedure !== id) return;
    this.levels = procedure.levels;
    this.logbook.setLevels(procedure.levels);
    say(this.about, [nameOf(procedure.patient), procedure.levels.join(", "), codeWords(procedure.kind)].filter(Boolean).join(" · "));
    this.setMode(procedure.mode);
  }

  /** The newest judged frame, for a screen that has just been opened or that polls. */
  async catchUp() {
    const id = this.procedure;
    if (!id) return;
    const path = `procedures/${encodeURIComponent(id)}`;
    const [newest] = (await ask(`${path}/measurements?latest=true`)).items;
    if (!newest || newest.number <= this.lastNumber) return;
    const log = await ask(`${path}/log?types=frame_seen&after=${newest.number - 1}&limit=1`);
    if (this.procedure !== id) return;
    for (const entry of log.items) if (entry.number > this.lastNumber) this.see(entry);
  }

  /** The minutes before this screen was opened, and the log; a small panel of many shows neither and asks for neither. */
  async lookBack() {
    if (this.hasLookedBack || !this.procedure || !this.lastNumber || this.charts.node.offsetParent === null) return;
    this.hasLookedBack = true;
    const id = this.procedure;
    try {
      await Promise.all([this.logbook.follow(id), this.loadCharts(id)]);
    } catch {
      if (this.procedure === id) this.hasLookedBack = false;
    }
  }

  async loadCharts(id) {
    let after = Math.max(0, this.lastNumber - BACK);
    while (this.procedure === id) {
      const page = await ask(`procedures/${encodeURIComponent(id)}/measurements?after=${after}&limit=${PAGE}`);
      if (this.procedure !== id) return;
      this.charts.add(...page.items.filter((item) => item.number < this.firstSeen).map(sampleOf));
      if (page.items.length < PAGE) return;
      after = page.next_after;
    }
  }

  /** Of what was measured, only what is shown is told: see `catchSight` and `goOn`. */
  forgetWaiting() {
    this.waiting = null;
    this.unshown = [];
    this.order = this.toldOrder = 0;
    this.isBehind = false;
  }

  clear() {
    this.hasLookedBack = false;
    this.lastNumber = 0;
    this.firstSeen = Infinity;
    this.newestAt = -Infinity;
    this.forgetWaiting();
    this.levels = [];
    this.stage.clear();
    this.charts.clear();
    this.logbook.clear();
    this.logbook.setLevels([], null);
    this.gauge.show(null, null, true);
    this.showBody(null);
    for (const figure of Object.values(this.figures)) tell(figure, null, 0, "");
  }

  setMode(mode) {
    this.mode = mode;
    this.stage.replay.hidden = mode !== "replay";
  }

  /** An entry of the live stream: a judged frame, or what somebody did. */
  see(entry) {
    if (entry.procedure !== this.procedure) return;
    if (entry.type === "procedure_changed") this.introduce().catch(() => {});
    if (entry.type !== "frame_seen") {
      this.logbook.see(entry);
      return;
    }
    this.setMode(entry.data.mode ?? this.mode);
    this.lastNumber = entry.number;
    this.firstSeen = Math.min(this.firstSeen, entry.number);
    const item = itemOf(entry);
    const at = Date.parse(entry.frame?.received_at);
    if (at < this.newestAt) return this.charts.add(sampleOf(item)); // passed over when it came and judged afterwards: not the present
    this.unshown.push(sampleOf(item));
    this.newestAt = at || this.newestAt;
    const { body, view, shape } = entry.data;
    const marks = { shape, corners: (view === "lateral" && body?.corners) || null, distance: item.distance_to_wall_mm };
    this.showBody(body, view);
    const told = { order: (this.order += 1), since: this.waiting?.since ?? performance.now(), item, wall: body?.wall, corners: marks.corners };
    this.waiting = told;
    if (!item.frame || this.isBehind) this.goOn();
    if (!item.frame) return;
    this.frame = item.frame;
    this.stage.show(item.frame, this.procedure, marks, () => this.catchSight(told));
  }

  /** The figures speak of the frame that is shown; they never go back to an older one. */
  catchSight(told) {
    if (told.order < this.toldOrder) return this.stage.leaveBehind();
    this.isBehind = false;
    this.measure(told);
  }

  /** A picture that is late or cannot be had holds no distance back; then the number on it, of another frame, goes. */
  goOn() {
    this.isBehind = true;
    this.measure(this.waiting);
    this.stage.leaveBehind();
  }

  /** Where the body is, by whom, and how sure: without a body there is no distance. */
  showBody(body, view) {
    const isAsked = !body && (view === "lateral" || view === "ap");
    this.landmarks.dataset.state = isAsked ? "wanted" : "";
    if (isAsked) say(this.body, "No vertebral body found: no distance. Set landmarks.");
    else if (!body) say(this.body, "");
    else if (body.origin === "operator") say(this.body, `Landmarks set by hand${body.level ? `, ${body.level}` : ""}`);
    else say(this.body, `Body found automatically, trust ${percent(body.trust)}`);
  }

  measure(told) {
    const { item, wall, corners } = told;
    this.toldOrder = told.order;
    if (told === this.waiting) this.waiting = null;
    else if (this.waiting) this.waiting.since = performance.now();
    this.charts.add(...this.unshown.splice(0));
    const { distance, speed, time, volume } = this.figures;
    const left = item.distance_to_wall_mm;
    const tiers = this.tiersOf(item, wall);
    const step = stepOf(item.distance_share, tiers);
    tell(distance, left < 0 ? -left : left, 1, left < 0 ? "beyond the wall" : STEP_WORDS[step]);
    distance.box.dataset.crossed = left < 0;
    distance.box.dataset.step = step;
    if (corners) this.isRight = corners.near_superior[1] > corners.far_superior[1];
    this.gauge.show(item.distance_share ?? null, tiers, this.isRight ?? true);
    tell(speed, item.speed_mm_s, 1, "");
    const [value, range] = seconds(item.seconds_to_wall);
    tell(time, item.seconds_to_wall ? Number(value) : null, 0, range);
    const band = item.cement_volume_ml;
    tell(volume, band?.low, 1, "");
    if (band) say(volume.value, `${number(band.low, 1)}–${number(band.high, 1)}`);
  }

  /** Where warnings begin, as shares of this body's depth. */
  tiersOf(item, wall) {
    const told = this.place.tiers();
    if (!told) return null;
    const forward = wall === "broken" ? told.broken_wall_factor : 1;
    const contact = Math.max(told.contact_share, item.depth_mm > 0 ? told.contact_mm / item.depth_mm : 0);
    return { far: told.far_share * forward, near: told.near_share * forward, contact };
  }

  /** Ages go on without news. */
  tick() {
    const now = this.frameAge === null ? null : this.frameAge + (performance.now() - this.heardAt) / 1000;
    say(this.ageText, now === null ? "no frame yet" : `frame ${age(now)}`);
    this.stage.setAge(now);
    if (this.waiting && performance.now() - this.waiting.since > PICTURE_PATIENCE_MS) this.goOn();
    this.lookBack();
    this.charts.tick();
    this.logbook.tick();
  }
}
