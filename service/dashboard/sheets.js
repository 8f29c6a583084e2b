// How the record's kinds are laid out: what is asked first, at the table, and what waits for the desk. What may stand in a field
// is the API's own dictionary; here are only order, short titles and the words of codes.

import { counted, plain, sentence } from "./words.js";

export const SHEETS = {
  patient: {
    address: "patients",
    title: "Patient",
    first: ["pseudonym", "birth_year", "sex", "primary_tumour"],
    groups: [
      ["Study", ["primary_text", "site", "consent", "arm", "allocation", "enrolled_on", "excluded_on", "excluded_reason"]],
      ["Course", ["last_seen_on", "lost_on", "lost_reason", "died_on", "death_cause", "remark"]],
    ],
  },
  operation: {
    address: "operations",
    title: "Operation",
    first: ["kind", "performed_on", "position", "anaesthesia", "cement_brand", "cement_viscosity", "cement_mixed_at", "is_technical_success", "remark"],
    groups: [
      ["Before", ["age_years", "symptom_weeks", "n_bone_foci", "n_vertebral_metastases", "visceral_metastases", "prior_treatment", "contraindications", "comorbidities", "asa_class", "leucocytes_per_ul", "platelets_per_ul", "inr", "is_allergic_to_pmma", "life_expectancy_months"]],
      ["Tomita and Tokuhashi", ["tomita", "tokuhashi"]],
      ["Set-up and dose", ["operators", "experience_years", "unit", "planes", "pulse_rate_hz", "fluoroscopy_s", "dose_area_product_gy_cm2", "air_kerma_mgy", "drugs", "antibiotic_before_min"]],
      ["Cement and course", ["cement_opacifier", "room_c", "started_at", "ended_at", "duration_min", "blood_loss_ml", "n_screws", "screw_levels", "abort_reason", "stay_days"]],
    ],
  },
  step: { address: "steps", title: "Step", isLine: true, first: ["place", "kind", "level", "side", "started_at", "ended_at"], groups: [["More", ["instrument", "gauge_g", "remark"]]] },
  level: {
    address: "levels",
    title: "Vertebra",
    first: ["level", "lesion", "approach", "posterior_wall", "volume_ml", "end_reason", "examined_with"],
    groups: [
      ["Before cement", ["is_fractured", "height_loss_percent", "kyphosis_deg", "is_pedicle_lysed", "is_arch_involved", "epidural_grade", "has_cleft", "compression", "has_biopsy", "remark"]],
      ["SINS", ["sins"]],
    ],
  },
  needle: { address: "needles", title: "Needle", isLine: true, first: ["side", "route", "gauge_g", "tip_third"], groups: [["More", ["brand", "cannula_mm", "placed_at", "has_venography", "remark"]]] },
  aliquot: { address: "aliquots", title: "Aliquot", isLine: true, first: ["volume_ml", "has_resistance", "needle"], groups: [["More", ["started_at", "ended_at", "remark"]]] },
  leak: {
    address: "leaks",
    title: "Leak",
    first: ["finding", "site", "modality", "side", "yeom", "consequence"],
    groups: [["More", ["volume_ml", "seen_on", "seen_by", "first_seen_at", "first_alert_at", "first_action_at", "treatment", "remark"]]],
  },
  complication: { address: "complications", title: "Complication", first: ["kind", "happened_on", "is_due_to_leak", "outcome"], groups: [["More", ["resolved_on", "treatment", "remark"]]] },
  follow_up: {
    address: "follow-ups",
    title: "Follow-up",
    first: ["time_point", "seen_on", "vas", "kps", "asia", "is_alive"],
    groups: [
      ["Oswestry (ODI)", ["odi"]],
      ["Barthel", ["barthel"]],
      ["QLQ-BM22", ["bm22"]],
      ["More", ["months", "pain_class", "analgesic_class", "analgesic_change", "analgesic_dose", "is_stable", "has_new_fracture", "imaging", "imaging_on", "remark"]],
    ],
  },
};

/** Instruments whose answers are one field of a kind, and the value that follows from them. */
export const SCORED = { odi: "odi_percent", barthel: "barthel_total", bm22: "bm22_sum", sins: "sins_total", tomita: "tomita_total", tokuhashi: "tokuhashi_total" };

const LABELS = {
  "operation.kind": "Kind of operation", "operation.performed_on": "Day", "operation.is_technical_success": "Done as planned",
  "step.place": "Place", "step.kind": "Step", "step.level": "Vertebra", "step.side": "Side", "level.level": "Vertebra",
  "level.volume_ml": "Cement", "level.examined_with": "Looked at for leaks with", "leak.finding": "Decision", "leak.site": "Where",
  "leak.modality": "First shown by", "leak.consequence": "Consequence", "leak.yeom": "Type (Yeom)", "leak.side": "Side", "needle.side": "Side",
  "needle.tip_third": "Tip in the third", "aliquot.needle": "Needle", "aliquot.has_resistance": "Resistance felt", "follow_up.time_point": "When",
  "follow_up.vas": "Pain (VAS)", "follow_up.kps": "Karnofsky (KPS)", "follow_up.asia": "ASIA", "follow_up.is_alive": "Alive",
  "complication.is_due_to_leak": "Due to a leak", "patient.pseudonym": "Pseudonym",
};

const HINTS = {
  "operation.kind": "", "leak.finding": "", "follow_up.time_point": "", "level.examined_with": "only these make it count as free of leaks",
  "follow_up.vas": "0 none to 10 worst", "follow_up.kps": "0 to 100, in tens", "follow_up.asia": "A complete to E normal",
  "leak.yeom": "B basivertebral, S segmental vein, C cortical defect, D disc", "patient.pseudonym": "never a name",
};

const WORDS = {
  pvp: "PVP", pvp_itr: "PVP + tumour removal", ppsf_pvp: "Screws + PVP", vp_rfa: "VP + RF ablation", vp_laser: "VP + laser",
  pkp: "Kyphoplasty", pvp_osteoblastic: "PVP, osteoblastic", final_ap: "final AP", final_lateral: "final lateral", ct: "CT", mri: "MRI",
  k_wire: "K-wire", before: "before", h24: "24 h", d3: "day 3", d7: "day 7", m1: "1 month", m3: "3 months", m6: "6 months",
  m12: "12 months", later: "later", pmma_allergy: "PMMA allergy", inr_high: "INR high", cava_or_azygos: "cava or azygos",
  non_opioid: "non-opioid",
};

/** A code in words. */
export const codeWords = (value) => (value === null || value === undefined ? "" : (WORDS[value] ?? plain(value)));

/** Label and hint of a field: the first part of the dictionary's sentence, and what follows it. */
export function labelOf(kind, meaning) {
  const name = `${kind}.${meaning.field}`;
  const [head, ...rest] = meaning.meaning.replace(/\.$/, "").split(/; ?/);
  const label = LABELS[name] ?? sentence(head.split(",")[0]);
  const hint = HINTS[name] ?? rest.join("; ");
  return { label, hint: meaning.form === "moment" ? "this screen's time" : hint };
}

/** One thing in a few words, for lists and headings. */
export function summaryOf(kind, row) {
  const told = {
    patient: () => [row.pseudonym],
    operation: () => [codeWords(row.kind), row.performed_on],
    step: () => [row.place && `${row.place}.`, codeWords(row.kind), row.level],
    level: () => [row.level, codeWords(row.lesion), row.volume_ml !== null && row.volume_ml !== undefined ? `${row.volume_ml} ml` : ""],
    needle: () => [codeWords(row.side), row.gauge_g && `${row.gauge_g} G`],
    aliquot: () => [row.volume_ml !== null && row.volume_ml !== undefined ? `${row.volume_ml} ml` : "not measured"],
    leak: () => [codeWords(row.site), codeWords(row.modality)],
    complication: () => [codeWords(row.kind)],
    follow_up: () => [row.time_point === "later" && row.months ? counted(row.months, "month") : codeWords(row.time_point)],
  }[kind]();
  return told.filter(Boolean).join(" · ");
}

let dictionary = null;

/** The API's dictionary: kind to field to its meaning, answers gathered under their field. */
export async function loadDictionary(ask) {
  if (dictionary) return dictionary;
  const made = Object.fromEntries(Object.keys(SHEETS).map((kind) => [kind, new Map()]));
  const kinds = Object.fromEntries(Object.entries(SHEETS).map(([kind, sheet]) => [`${sheet.address}.csv`, kind]));
  for (const each of (await ask("record/dictionary")).items) {
    const fields = made[kinds[each.file]];
    if (each.form !== "answer") fields.set(each.field, each);
    else if (fields.has(each.field)) fields.get(each.field).items.push(each);
    else fields.set(each.field, { ...each, form: "answers", item: null, items: [each] });
  }
  for (const fields of Object.values(made)) {
    for (const [name, derived] of Object.entries(SCORED)) {
      if (fields.has(name)) [fields.get(name).meaning] = fields.get(derived).meaning.split(";");
    }
  }
  dictionary = made;
  return made;
}
