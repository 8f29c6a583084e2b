// The charts of all records, as the API counts them: every share with its numbers, every mean with its n.

import { bars, course, legend, meanWords, shareWords, survival } from "./graphs.js";
import { send } from "./link.js";
import { codeWords } from "./sheets.js";
import { element, number } from "./words.js";

const GROUPS = [["", "all together"], ["patient.arm", "arm of the study"], ["operation.kind", "kind of operation"], ["patient.primary_tumour", "primary tumour"], ["patient.sex", "sex"]];
const LEAKS = [["fluoroscopy", "Leaks seen on the screen or a radiograph"], ["ct", "Leaks seen on CT"]];
const COURSES = [["follow_up.vas", "Pain (VAS), mean ± SD", [0, 10]], ["follow_up.odi_percent", "Disability (ODI, %), mean ± SD", [0, 100]]];
const SURVIVAL = "Survival (Kaplan-Meier)";
const PATIENCE_MS = 30_000;

export class Cohorts {
  constructor() {
    this.node = element("div", "cohorts");
    const label = element("label", "", "Group by");
    this.group = element("select");
    this.group.append(...GROUPS.map(([value, words]) => Object.assign(element("option", "", words), { value })));
    this.group.addEventListener("change", () => this.draw());
    label.append(this.group);
    this.charts = element("div", "cohort-charts");
    this.node.append(label, this.charts);
  }

  async open() {
    await this.draw();
    return this.node;
  }

  /** Each chart by itself: what one cannot answer is said in its place. */
  async draw() {
    const group = this.group.value || null;
    this.charts.setAttribute("aria-busy", "true");
    const byPatient = group?.startsWith("patient.") ? group : null;
    const made = await Promise.all([
      ...LEAKS.map(([seen_with, title]) => asked(title, "leaks", { seen_with, group }, (told) => leaksChart(title, told))),
      ...COURSES.map(([field, title, ends]) => asked(title, "course", { field, group }, (told) => courseChart(title, told, ends))),
      asked(SURVIVAL, "survival", { group: byPatient }, (told) => survivalChart(told, group !== byPatient)),
    ]);
    if ((this.group.value || null) !== group) return;
    this.charts.replaceChildren(...made);
    this.charts.removeAttribute("aria-busy");
  }
}

async function asked(title, what, question, draw) {
  try {
    return draw(await send(`cohorts/${what}`, question, { patience: PATIENCE_MS }));
  } catch (error) {
    const figure = element("figure", "cohort-chart");
    figure.append(element("figcaption", "", title), element("p", "graph-note", error.status ? error.message : "No answer from cementwatch. Try again."));
    return figure;
  }
}

function leaksChart(title, told) {
  const groups = Object.keys(told.groups);
  const sites = [...new Set(groups.flatMap((group) => Object.keys(told.groups[group].sites)))];
  const of = (pick) => Object.fromEntries(groups.map((group) => [group, pick(told.groups[group])]));
  const rows = [
    ["any, of vertebrae", of((each) => each.vertebrae)], ["any, of patients", of((each) => each.patients)],
    ...sites.map((site) => [codeWords(site), of((each) => each.sites[site])]),
  ];
  const aside = groups.map((group) => told.groups[group].n_not_examined).reduce((sum, n) => sum + n, 0);
  const notes = [...told.warnings, ...(aside ? [`${aside} vertebrae are left out: not examined this way, or nobody said so.`] : [])];
  const cells = rows.map(([label, shares]) => [label, ...groups.map((group) => (shares[group] ? shareWords(shares[group]) : ""))]);
  const isEmpty = groups.every((group) => told.groups[group].vertebrae.denominator === 0);
  return chart({ title, groups, svg: isEmpty ? null : bars(title, rows, groups), table: [["of those examined", ...groups.map(codeWords)], ...cells], notes });
}

function courseChart(title, told, ends) {
  const groups = [...new Set(told.points.flatMap((point) => Object.keys(point.groups)))];
  const points = told.points.filter((point) => groups.some((group) => point.groups[group]?.n));
  const cells = points.map((point) => [codeWords(point.time_point), ...groups.map((group) => meanWords(point.groups[group]))]);
  return chart({ title, groups, svg: points.length ? course(title, points, groups, ends) : null, table: [["when", ...groups.map(codeWords)], ...cells], notes: told.warnings });
}

function survivalChart(told, isApart) {
  const title = SURVIVAL;
  const notes = isApart ? ["All together: survival is of patients, and this is no property of a patient.", ...told.warnings] : told.warnings;
  const groups = Object.keys(told.groups);
  const cells = groups.map((group) => {
    const { n, n_deaths, median_months } = told.groups[group];
    return [codeWords(group), String(n), String(n_deaths), median_months === null ? "not reached" : `${number(median_months, 1)} months`];
  });
  const isEmpty = groups.every((group) => told.groups[group].n === 0);
  return chart({ title, groups, svg: isEmpty ? null : survival(title, told.groups), table: [["group", "patients", "deaths", "median"], ...cells], notes });
}

function chart({ title, groups, svg, table, notes }) {
  const figure = element("figure", "cohort-chart");
  figure.append(element("figcaption", "", title));
  if (groups.length > 1) {
    const keys = element("p", "graph-keys");
    for (const [mark, words] of legend(groups)) {
      const key = element("span", "graph-group");
      key.append(mark, words);
      keys.append(key);
    }
    figure.append(keys);
  }
  figure.append(svg ?? element("p", "case-empty", "No record has this yet."));
  for (const note of notes) figure.append(element("p", "graph-note", note));
  if (svg) figure.append(numbers(table));
  return figure;
}

function numbers([head, ...rows]) {
  const box = element("details", "group");
  const table = element("table", "cells");
  const line = (cells, tag) => {
    const row = element("tr");
    cells.forEach((cell, place) => {
      const made = element(place ? tag : "th", "", cell);
      if (made.tagName === "TH") made.scope = place || tag === "th" ? "col" : "row";
      row.append(made);
    });
    return row;
  };
  table.append(line(head, "th"), ...rows.map((cells) => line(cells, "td")));
  box.append(element("summary", "", "Numbers"), table);
  return box;
}
