// The picture of one source: its newest frame, and over it the posterior wall and how far the cement is from it.

import { frameUrl } from "./link.js";
import { shape, xy } from "./shapes.js";
import { age, element, number, plain, say } from "./words.js";

const OLD_FRAME_S = 3;
const CLOSE_UP = 0.42; // share of the shown height that the body fills in the close-up
const MOST_CLOSE_UP = 4;

export class Stage {
  constructor(name) {
    this.wanted = null;
    this.shown = null;
    this.isLoading = false;
    this.marks = null;
    this.isClose = false;
    this.node = element("div", "stage");
    this.sight = element("div", "sight");
    this.picture = element("img", "picture");
    this.picture.alt = `Latest frame of ${name} with outlines of cement, zones and vertebral body`;
    this.picture.hidden = true;
    this.layer = shape("svg", { class: "layer", "aria-hidden": "true" });
    this.sight.append(this.picture, this.layer);
    this.badge = element("div", "view-badge");
    this.old = element("div", "old-frame", "Not live");
    this.oldAge = element("span");
    this.old.append(this.oldAge);
    this.replay = element("div", "replay-badge", "Replay");
    this.old.hidden = this.replay.hidden = true;
    this.node.append(this.sight, this.badge, this.replay, this.old, this.buildCloseUp());
  }

  buildCloseUp() {
    this.closer = element("button", "quiet closer", "Close-up");
    this.closer.type = "button";
    this.closer.setAttribute("aria-pressed", "false");
    this.closer.addEventListener("click", () => {
      this.isClose = !this.isClose;
      this.closer.setAttribute("aria-pressed", String(this.isClose));
      this.place();
    });
    return this.closer;
  }

  /**
   * Load the newest frame wanted; frames that come faster than pictures load are passed over.
   * `shown` is called as soon as this very frame is seen, and never for one that was passed over.
   */
  async show(frame, procedure, marks, shown) {
    this.wanted = { frame, procedure, marks, shown };
    if (this.isLoading) return;
    this.isLoading = true;
    while (this.wanted && this.wanted !== this.shown) {
      const next = this.wanted;
      const picture = new Image();
      picture.src = frameUrl(next.frame, next.procedure, { overlay: true, width: this.width() });
      try {
        await picture.decode();
        if (this.wanted?.procedure !== next.procedure) continue;
        this.picture.src = picture.src;
        this.picture.hidden = false;
        this.picture.dataset.frame = `${next.frame.sop_instance_uid}/${next.frame.index}`;
        this.mark(next.marks ?? null);
        next.shown();
      } catch {
        if (this.wanted === next) this.wanted = null;
      }
      this.shown = next;
    }
    this.isLoading = false;
  }

  clear() {
    this.wanted = this.shown = null;
    this.picture.hidden = true;
    delete this.picture.dataset.frame;
    this.mark(null);
  }

  /** The picture stays behind the figures: a number that is not of their frame goes, its lines stay with their picture. */
  leaveBehind() {
    for (const words of this.layer.querySelectorAll(".wall-words")) words.remove();
  }

  /** Lines belong to the very frame they lie on: they change with the picture, never before. */
  mark(marks) {
    this.marks = marks;
    this.layer.replaceChildren();
    if (marks) {
      const [height, width] = marks.shape;
      this.layer.setAttribute("viewBox", `0 0 ${width} ${height}`);
      if (marks.corners) this.layer.append(...wallShapes(marks));
    }
    this.place();
  }

  /** Move the picture and its lines together, so that the body fills the stage in the close-up. */
  place() {
    const wanted = this.isClose && this.marks?.corners ? closeUp(this.marks, this.node) : null;
    this.sight.style.transform = wanted ? `scale(${wanted.scale}) translate(${wanted.right}px, ${wanted.down}px)` : "";
  }

  /** As wide as it will be shown, in steps, so that lines and labels stay crisp. */
  width() {
    const { clientWidth, clientHeight } = this.node;
    const ratio = this.picture.naturalWidth / this.picture.naturalHeight || 1;
    const closer = this.isClose && this.marks?.corners ? closeUp(this.marks, this.node).scale : 1;
    const wanted = closer * Math.min(clientWidth, clientHeight * ratio) * Math.min(devicePixelRatio, 2);
    return Math.min(1600, Math.max(480, Math.ceil(wanted / 80) * 80));
  }

  setView(view) {
    say(this.badge, view && view !== "unknown" ? `${plain(view)} view` : view ? "view not recognised" : "");
  }

  setAge(seconds) {
    this.old.hidden = seconds === null || seconds < OLD_FRAME_S;
    if (seconds !== null) say(this.oldAge, `: last frame ${age(seconds)}`);
  }
}

const ends = ({ corners }) => [corners.near_superior, corners.near_inferior, corners.far_superior, corners.far_inferior].map(xy);

function wallShapes(marks) {
  const [top, bottom, far] = ends(marks);
  const [height, width] = marks.shape;
  const shapes = [shape("line", { class: "wall-line", x1: top[0], y1: top[1], x2: bottom[0], y2: bottom[1] })];
  const left = marks.distance;
  if (left === null || left === undefined) return shapes;
  const isRight = top[0] > far[0];
  const x = (top[0] + bottom[0]) / 2 + (isRight ? 1 : -1) * 0.03 * width;
  const words = left < 0 ? `${number(-left, 1)} mm beyond` : `${number(left, 1)} mm`;
  const place = { class: "wall-words", x, y: Math.max(top[1], bottom[1]) + 0.075 * height, "font-size": 0.06 * height };
  shapes.push(shape("text", { ...place, "text-anchor": "middle", "data-crossed": left < 0 }, words));
  return shapes;
}

function closeUp(marks, node) {
  const [height, width] = marks.shape;
  const points = ends(marks);
  const fit = Math.min(node.clientWidth / width, node.clientHeight / height);
  const x = points.reduce((sum, point) => sum + point[0], 0) / 4;
  const y = points.reduce((sum, point) => sum + point[1], 0) / 4;
  const tall = Math.max(...points.map((point) => point[1])) - Math.min(...points.map((point) => point[1]));
  const scale = Math.min(MOST_CLOSE_UP, Math.max(1, (CLOSE_UP * node.clientHeight) / (tall * fit)));
  return { scale, right: (width / 2 - x) * fit, down: (height / 2 - y) * fit };
}
