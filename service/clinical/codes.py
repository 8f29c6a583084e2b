"""The coded words of the record. A code is what is stored and exported; its meaning stands beside it in the dictionary."""

from __future__ import annotations

from typing import Literal

from detection.vocabulary import Zone

Sex = Literal["male", "female", "other"]
Primary = Literal[
    "lung",
    "breast",
    "liver",
    "kidney",
    "prostate",
    "thyroid",
    "stomach",
    "colon",
    "rectum",
    "colorectal",
    "oesophagus",
    "pancreas",
    "gallbladder",
    "bladder",
    "uterus",
    "ovary",
    "salivary_gland",
    "melanoma",
    "myeloma",
    "lymphoma",
    "osteosarcoma",
    "carcinoid",
    "haemangioma",
    "other",
    "unknown",
    "none",
]
Consent = Literal["given", "waived", "withdrawn", "unknown"]
OperationKind = Literal["pvp", "pvp_itr", "ppsf_pvp", "vp_rfa", "vp_laser", "pkp", "pvp_osteoblastic"]
Visceral = Literal["none", "removable", "unremovable"]
PriorTreatment = Literal[
    "surgery", "radiotherapy", "chemotherapy", "hormone", "bone_agent", "vertebroplasty", "ablation"
]
Contraindication = Literal[
    "coagulopathy",
    "sepsis",
    "local_infection",
    "cord_compression",
    "cardiorespiratory_disease",
    "pmma_allergy",
    "posterior_wall_defect",
    "epidural_contact",
    "complete_destruction",
    "posterior_arch_involvement",
    "poor_general_state",
    "short_life_expectancy",
    "leucocytes_low",
    "platelets_low",
    "inr_high",
    "other",
]
Position = Literal["prone", "supine", "lateral"]
Anaesthesia = Literal["local", "sedation", "regional", "general"]
Planes = Literal["monoplane", "biplane"]
Viscosity = Literal["low", "medium", "high"]
Side = Literal["left", "right", "both", "midline"]
StepKind = Literal[
    "antibiotic",
    "marking",
    "anaesthesia",
    "incision",
    "needle",
    "stylet_out",
    "k_wire",
    "outer_sleeve_out",
    "dilation",
    "bone_guider",
    "biopsy",
    "venography",
    "trephine",
    "ablation",
    "tumour_removal",
    "balloon",
    "cement_mixed",
    "cannula_filled",
    "injection",
    "needle_out",
    "screws",
    "rods",
    "radiograph",
    "ct",
    "observation",
    "other",
]
Lesion = Literal["lytic", "mixed", "blastic"]
WallState = Literal["intact", "broken"]
EpiduralGrade = Literal["0", "1a", "1b", "1c", "2", "3"]
Compression = Literal["none", "root", "cord", "cauda"]
Approach = Literal["unilateral", "bilateral"]
Route = Literal["transpedicular", "extrapedicular", "posterolateral", "anterolateral", "transoral", "other"]
Third = Literal["anterior", "middle", "posterior", "centre"]
EndReason = Literal["posterior_margin", "leak", "resistance", "volume", "cement_set", "severe_complication", "other"]
Modality = Literal["live", "final_ap", "final_lateral", "ct"]
"""What showed a leak: the screen during injection, the last picture of each view, or a CT afterwards."""
LeakSite = Literal[
    "disc_superior",
    "disc_inferior",
    "disc",
    "paravertebral",
    "segmental_vein",
    "paravertebral_plexus",
    "vein",
    "prevertebral_vein",
    "cava_or_azygos",
    "epidural_vein",
    "foraminal_vein",
    "foramen",
    "spinal_canal",
    "needle_tract",
    "intercostal_artery",
    "lung",
    "other",
]
Finding = Literal["proposed", "confirmed", "rejected"]
"""A leak that the screen alone has told of is proposed; a physician confirms or rejects it."""
Yeom = Literal["B", "S", "C", "D"]
Consequence = Literal["none", "pain", "deficit", "embolism", "death", "other"]
ComplicationKind = Literal[
    "fever",
    "leg_discomfort",
    "arrhythmia",
    "hypotension",
    "allergic_reaction",
    "radiculopathy",
    "myelopathy",
    "paraplegia",
    "dysphagia",
    "bleeding",
    "infection",
    "spondylitis",
    "rib_fracture",
    "adjacent_fracture",
    "refracture",
    "pulmonary_embolism",
    "cerebral_embolism",
    "intradural_leak",
    "hardware_failure",
    "death",
    "other",
]
Outcome = Literal["resolved", "improved", "persists", "death", "unknown"]
TimePoint = Literal["before", "h24", "d3", "d7", "m1", "m3", "m6", "m12", "later"]
PainClass = Literal["excellent", "good", "fair", "poor"]
AnalgesicClass = Literal["none", "non_opioid", "weak_opioid", "strong_opioid"]
AnalgesicChange = Literal["stopped", "halved", "same", "more"]
Imaging = Literal["radiograph", "ct", "mri", "bone_scan"]
AsiaGrade = Literal["A", "B", "C", "D", "E"]

ZONE_OF_SITE: dict[str, Zone] = {
    **dict.fromkeys(("disc_superior", "disc_inferior", "disc"), Zone.DISC),
    "paravertebral": Zone.SOFT_TISSUE,
    **dict.fromkeys(
        ("segmental_vein", "paravertebral_plexus", "vein", "prevertebral_vein", "cava_or_azygos"), Zone.VEIN
    ),
    **dict.fromkeys(("epidural_vein", "spinal_canal"), Zone.CANAL),
    **dict.fromkeys(("foraminal_vein", "foramen"), Zone.FORAMEN),
    "needle_tract": Zone.NEEDLE_TRACT,
    **dict.fromkeys(("intercostal_artery", "lung", "other"), Zone.ELSEWHERE),
}
"""Every leak site of the papers, and the zone of a picture that it lies in."""
