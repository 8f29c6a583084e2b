// Every judged frame of a procedure in order of time, with what it measured; loaded page by page.

import { ask } from "./link.js";

const PAGE = 1000;

export class Reel {
  constructor(procedure) {
    this.procedure = procedure;
    this.frames = [];
    this.isWhole = false;
  }

  /** Load all; `told` is called after each page, and false from it ends the loading. */
  async load(told) {
    let after = 0;
    while (!this.isWhole) {
      const page = await ask(`procedures/${encodeURIComponent(this.procedure)}/measurements?after=${after}&limit=${PAGE}`);
      for (const item of page.items) if (item.frame) this.frames.push({ ...item, at: timeOf(item.frame) });
      after = page.next_after;
      this.isWhole = page.items.length < PAGE;
      this.frames.sort((left, right) => left.at - right.at || left.number - right.number);
      if (told() === false) return;
    }
  }

  /** Place of the last frame that is not later than a time; 0 before the first. */
  placeAt(at) {
    let [low, high] = [0, this.frames.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.frames[middle].at <= at) low = middle + 1;
      else high = middle;
    }
    return Math.max(0, low - 1);
  }

  placeOf(frame) {
    return this.frames.findIndex((each) => each.frame.sop_instance_uid === frame.sop_instance_uid && each.frame.index === frame.index);
  }

  /** The frame of the other view that is nearest in time; null when there is none. */
  otherView(frame) {
    const wanted = frame.view === "ap" ? "lateral" : "ap";
    let best = null;
    for (const each of this.frames) {
      if (each.view === wanted && (best === null || Math.abs(each.at - frame.at) <= Math.abs(best.at - frame.at))) best = each;
    }
    return best;
  }
}

/** By the device's clock where it tells one: frames that were judged late stand where they belong. */
const timeOf = (frame) => Date.parse(frame.received_at ?? frame.acquired_at ?? frame.judged_at);
