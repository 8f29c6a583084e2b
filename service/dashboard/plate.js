// A still picture with four corners that are clicked, dragged, or moved by arrow keys.

import { cornerNames, cornerWords } from "./corners.js";
import { shape, xy } from "./shapes.js";
import { element } from "./words.js";

const HANDLE_PX = 13;
const LOUPE_PX = 44;
const STRIDE = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
const LARGE_STRIDE = 10;

export class Plate {
  /** `changed` is called after each change of a corner. */
  constructor(changed) {
    this.changed = changed;
    this.size = null;
    this.view = "lateral";
    this.corners = {};
    this.active = null;
    this.isClose = false;
    this.node = shape("svg", { class: "plate" });
    this.image = shape("image");
    this.ring = shape("g", { class: "ring" });
    this.handles = shape("g");
    this.node.append(this.image, this.ring, this.handles);
    this.node.addEventListener("pointerdown", (event) => this.press(event));
    this.node.addEventListener("pointermove", (event) => this.drag(event));
    this.node.addEventListener("pointerup", () => (this.held = null));
    this.node.addEventListener("pointercancel", () => (this.held = null));
    this.handles.addEventListener("keydown", (event) => this.nudge(event));
    this.loupe = shape("svg", { class: "loupe", "aria-hidden": "true" });
    this.loupeImage = shape("image");
    this.loupe.append(this.loupeImage, shape("g", { class: "cross" }));
    new ResizeObserver(() => this.draw()).observe(this.node);
  }

  /** Another picture; corners stay where they are. */
  async load(url) {
    const picture = element("img");
    picture.src = url;
    await picture.decode();
    this.size = [picture.naturalHeight, picture.naturalWidth];
    for (const image of [this.image, this.loupeImage]) {
      image.setAttribute("href", url);
      image.setAttribute("width", this.size[1]);
      image.setAttribute("height", this.size[0]);
    }
    this.draw();
  }

  setCorners(view, corners) {
    [this.view, this.corners] = [view, { ...corners }];
    this.active = cornerNames(view).find((name) => corners[name] === null) ?? null;
    this.draw();
  }

  get next() {
    return cornerNames(this.view).find((name) => this.corners[name] === null) ?? null;
  }

  put(name, [row, col]) {
    const [height, width] = this.size;
    const within = (value, most) => Math.min(most - 1, Math.max(0, Math.round(value * 10) / 10));
    this.corners[name] = [within(row, height), within(col, width)];
    this.active = name;
    this.draw();
    this.changed();
  }

  focus(name) {
    this.handles.querySelector(`[data-corner="${name}"]`)?.focus();
  }

  /** A press takes hold of a corner: the one under it, the next one to be placed, or the nearest. */
  press(event) {
    if (!this.size || event.button !== 0) return;
    event.preventDefault();
    const at = this.position(event);
    const under = event.target.closest?.("[data-corner]")?.dataset.corner;
    this.held = under ?? this.next ?? this.nearest(at);
    this.node.setPointerCapture(event.pointerId);
    if (!under) this.put(this.held, at);
    this.focus(this.held);
  }

  drag(event) {
    if (this.held) this.put(this.held, this.position(event));
  }

  nudge(event) {
    const stride = STRIDE[event.key];
    const name = event.target.closest("[data-corner]")?.dataset.corner;
    if (!stride || !name) return;
    event.preventDefault();
    const by = event.shiftKey ? LARGE_STRIDE : 1;
    const [row, col] = this.corners[name];
    this.put(name, [row + by * stride[0], col + by * stride[1]]);
    this.focus(name);
  }

  position(event) {
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(this.node.getScreenCTM().inverse());
    return [at.y - 0.5, at.x - 0.5];
  }

  nearest([row, col]) {
    const far = (name) => Math.hypot(this.corners[name][0] - row, this.corners[name][1] - col);
    return cornerNames(this.view).reduce((best, name) => (far(name) < far(best) ? name : best));
  }

  setClose(isClose) {
    this.isClose = isClose;
    this.draw();
  }

  frame() {
    const [height, width] = this.size;
    const points = cornerNames(this.view).map((name) => this.corners[name]).filter(Boolean);
    if (!this.isClose || points.length < 2) return [0, 0, width, height];
    const [rows, cols] = [0, 1].map((axis) => points.map((point) => point[axis]));
    const side = 2.2 * Math.max(Math.max(...rows) - Math.min(...rows), Math.max(...cols) - Math.min(...cols), 20);
    return [(Math.max(...cols) + Math.min(...cols) - side) / 2, (Math.max(...rows) + Math.min(...rows) - side) / 2, side, side];
  }

  draw() {
    if (!this.size) return;
    if (!this.held) this.node.setAttribute("viewBox", this.frame().join(" "));
    const perPx = 1 / (this.node.getScreenCTM()?.a || 1);
    const names = cornerNames(this.view);
    const points = names.map((name) => this.corners[name] && xy(this.corners[name]));
    this.ring.replaceChildren(...names.flatMap((_, i) => side(points[i], points[(i + 1) % 4], perPx, this.view === "lateral" && i === 3)));
    const focused = document.activeElement?.dataset?.corner;
    this.handles.replaceChildren(...names.flatMap((name, i) => (points[i] ? [this.handle(name, points[i], perPx)] : [])));
    if (focused) this.focus(focused);
    this.drawLoupe();
  }

  handle(name, [x, y], perPx) {
    const made = shape("g", { class: "corner", tabindex: 0, role: "button", "data-corner": name, "data-active": name === this.active });
    const [row, col] = this.corners[name];
    made.setAttribute("aria-label", `Corner ${cornerWords(name, this.view)}, row ${Math.round(row)}, column ${Math.round(col)}. Arrow keys move it.`);
    const r = HANDLE_PX * perPx;
    made.append(
      shape("circle", { class: "grip", cx: x, cy: y, r: 1.9 * r }),
      shape("circle", { cx: x, cy: y, r, "stroke-width": 3 * perPx }),
      shape("path", { d: `M${x - 0.5 * r} ${y}h${r}M${x} ${y - 0.5 * r}v${r}`, "stroke-width": 1.5 * perPx }),
    );
    return made;
  }

  /** What lies under the corner in hand, enlarged: a finger covers just what it points at. */
  drawLoupe() {
    const at = this.active && this.corners[this.active];
    this.loupe.dataset.shown = Boolean(at);
    if (!at) return;
    const [x, y] = xy(at);
    const half = LOUPE_PX / 2;
    const [left, , width] = this.frame();
    this.loupe.dataset.side = x < left + width / 2 ? "right" : "left"; // never over what is being pointed at
    this.loupe.setAttribute("viewBox", `${x - half} ${y - half} ${LOUPE_PX} ${LOUPE_PX}`);
    this.loupe.lastChild.replaceChildren(
      shape("path", { d: `M${x - half} ${y}H${x - 3}M${x + 3} ${y}H${x + half}M${x} ${y - half}V${y - 3}M${x} ${y + 3}V${y + half}` }),
    );
  }
}

function side(from, to, perPx, isWall) {
  if (!from || !to) return [];
  const line = { x1: from[0], y1: from[1], x2: to[0], y2: to[1], "stroke-width": (isWall ? 5 : 2) * perPx };
  return [shape("line", { ...line, class: isWall ? "ring-wall" : "ring-side" })];
}
