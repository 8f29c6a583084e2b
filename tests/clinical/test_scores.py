"""Scores against worked examples, at the limits of their bands, and by the laws that every score keeps."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.clinical.instruments import ImpossibleAnswer
from service.clinical.scores import INSTRUMENTS, score
from service.clinical.scores_function import asia_change
from service.clinical.scores_spine import LEVELS, sins_collapse, sins_location

SINS_6 = {"location": "junctional", "pain": "none", "lesion": "lytic", "alignment": "normal", "collapse": "none"}
SINS_6 |= {"posterolateral": "one_side"}
WORST_SINS = {"location": "junctional", "pain": "yes", "lesion": "lytic", "alignment": "subluxation"}
WORST_SINS |= {"collapse": "over_half", "posterolateral": "both_sides"}
TOKUHASHI_8 = {"kps": 60, "extraspinal": "one_or_two", "vertebral": "three_or_more", "organs": "removable"}
TOKUHASHI_8 |= {"primary": "kidney", "palsy": "E"}


def odi(*answers):
    return score("odi", {f"s{n}": answer for n, answer in enumerate(answers, start=1)})


def test_a_full_oswestry_of_16_points_is_32_percent():
    told = odi(2, 1, 2, 1, 2, 2, 1, 1, 2, 2)
    assert (told.value, told.band, told.missing) == (32.0, "moderate", ())


def test_a_section_without_an_answer_lowers_the_denominator_by_five():
    told = odi(2, 1, 2, 1, 2, 2, 1, None, 2, 3)
    assert told.value == pytest.approx(100 * 16 / 45)
    assert told.missing == ("s8",)
    assert told.n_answered == 9


def test_no_section_answered_is_no_value_and_never_0():
    assert odi().value is None
    assert odi(0).value == 0.0


@pytest.mark.parametrize(
    ("answers", "band"),
    [
        ([2] * 5 + [0] * 5, "minimal"),
        ([2] * 5 + [1] + [0] * 4, "moderate"),
        ([2] * 10, "moderate"),
        ([3] + [2] * 9, "severe"),
        ([3] * 10, "severe"),
        ([3] * 9 + [4], "crippled"),
        ([4] * 10, "crippled"),
        ([4] * 9 + [5], "bed-bound or exaggerating"),
    ],
    ids=["20", "22", "40", "42", "60", "62", "80", "82"],
)
def test_oswestry_bands_end_where_the_paper_ends_them(answers, band):
    assert odi(*answers).band == band


@pytest.mark.parametrize(
    ("changed", "value", "published", "hebei"),
    [
        ({"location": "mobile"}, 5, "stable", "stable"),
        ({}, 6, "stable", "potentially unstable"),
        ({"pain": "occasional_non_mechanical"}, 7, "potentially unstable", "potentially unstable"),
        ({"pain": "yes", "collapse": "over_half"}, 12, "potentially unstable", "potentially unstable"),
        ({"pain": "yes", "alignment": "subluxation"}, 13, "unstable", "unstable"),
    ],
)
def test_sins_bands_in_both_prints(changed, value, published, hebei):
    answers = SINS_6 | changed
    assert score("sins", answers).value == value
    assert score("sins", answers).band == published
    assert score("sins", answers, "hebei").band == hebei


def test_the_worst_sins_is_18_and_one_missing_item_leaves_none():
    assert score("sins", WORST_SINS).value == 18
    told = score("sins", {**WORST_SINS, "pain": None})
    assert (told.value, told.band, told.missing) == (None, None, ("pain",))


@pytest.mark.parametrize(
    ("level", "place"),
    [
        *[(level, "junctional") for level in ("C2", "C7", "T2", "T11", "L1", "L5", "S1")],
        *[(level, "mobile") for level in ("C3", "C6", "L2", "L4")],
        *[(level, "semirigid") for level in ("T3", "T10")],
        *[(level, "rigid") for level in ("S2", "S5")],
    ],
)
def test_every_level_has_its_place_in_sins(level, place):
    assert sins_location(level) == place


def test_every_vertebra_is_placed_and_nothing_else():
    assert {sins_location(level) for level in LEVELS} == {"junctional", "mobile", "semirigid", "rigid"}
    with pytest.raises(ImpossibleAnswer, match="C1 to S5"):
        sins_location("L7")


def test_a_collapse_of_exactly_half_is_not_decided_for_the_physician():
    assert sins_collapse(49.9, is_mostly_involved=False) == "under_half"
    assert sins_collapse(50.1, is_mostly_involved=False) == "over_half"
    assert sins_collapse(0, is_mostly_involved=True) == "none_but_over_half_involved"
    with pytest.raises(ImpossibleAnswer, match="exactly 50"):
        sins_collapse(50, is_mostly_involved=True)


def test_tomita_differs_between_the_prints_where_no_organ_is_affected():
    answers = {"primary": "slow", "visceral": "none", "bone": "solitary"}
    assert (score("tomita", answers).value, score("tomita", answers, "hebei").value) == (2, 3)
    worst = {"primary": "rapid", "visceral": "untreatable", "bone": "multiple"}
    assert (score("tomita", worst).value, score("tomita", worst, "hebei").value) == (10, 10)
    assert score("tomita", worst).band == "supportive care"
    assert score("tomita", worst, "hebei").band == "symptomatic treatment"


@pytest.mark.parametrize(
    ("primary", "visceral", "bone", "value", "published", "hebei"),
    [
        ("slow", "none", "multiple", 3, "wide or marginal excision", "marginal or intralesional excision"),
        ("moderate", "none", "multiple", 4, "marginal or intralesional excision", "marginal or intralesional excision"),
        (
            "moderate",
            "treatable",
            "solitary",
            5,
            "marginal or intralesional excision",
            "marginal or intralesional excision",
        ),
        ("moderate", "treatable", "multiple", 6, "palliative surgery", "palliative care"),
        ("moderate", "untreatable", "solitary", 7, "palliative surgery", "palliative care"),
        ("moderate", "untreatable", "multiple", 8, "supportive care", "symptomatic treatment"),
    ],
)
def test_tomita_bands_in_both_prints(primary, visceral, bone, value, published, hebei):
    answers = {"primary": primary, "visceral": visceral, "bone": bone}
    assert score("tomita", answers).value == value
    assert [score("tomita", answers, scheme).band for scheme in ("published", "hebei")] == [published, hebei]


@pytest.mark.parametrize(
    ("total", "band"),
    [
        (0, "total dependence"),
        (20, "total dependence"),
        (25, "severe dependence"),
        (60, "severe dependence"),
        (65, "moderate dependence"),
        (90, "moderate dependence"),
        (95, "slight dependence"),
        (100, "independent"),
    ],
)
def test_barthel_bands_end_where_shah_ends_them(total, band):
    answers, left = {}, total
    for item in INSTRUMENTS["barthel"].scheme().items:
        answers[item.key] = min(max(item.points), left)
        left -= answers[item.key]
    assert (score("barthel", answers).value, score("barthel", answers).band) == (total, band)


@pytest.mark.parametrize(
    ("changed", "value", "band"),
    [
        ({}, 8, "less than 6 months"),
        ({"primary": "rectum"}, 9, "6 months or more"),
        ({"primary": "breast", "kps": 80}, 11, "6 months or more"),
        ({"primary": "breast", "kps": 80, "extraspinal": "none"}, 12, "1 year or more"),
    ],
)
def test_tokuhashi_bands(changed, value, band):
    told = score("tokuhashi", TOKUHASHI_8 | changed)
    assert (told.value, told.band) == (value, band)


def test_the_dead_have_no_prognosis():
    with pytest.raises(ImpossibleAnswer, match="kps"):
        score("tokuhashi", TOKUHASHI_8 | {"kps": 0})


def test_barthel_of_the_independent_is_100_and_needs_every_item():
    items = INSTRUMENTS["barthel"].scheme().items
    best = {item.key: max(item.points) for item in items}
    assert (score("barthel", best).value, score("barthel", best).band) == (100, "independent")
    assert score("barthel", best | {"bathing": 0}).band == "slight dependence"
    assert score("barthel", best | {"bathing": None}).value is None


@pytest.mark.parametrize(
    ("kps", "band"),
    [
        (0, "unable to care for self"),
        (40, "unable to care for self"),
        (50, "unable to work"),
        (70, "unable to work"),
        (80, "normal activity"),
        (100, "normal activity"),
    ],
)
def test_karnofsky_goes_in_tens(kps, band):
    assert score("kps", {"kps": kps}).band == band
    for beside in (kps + 5, kps - 5):
        with pytest.raises(ImpossibleAnswer):
            score("kps", {"kps": beside})


@pytest.mark.parametrize(
    ("vas", "chow", "mcdonald", "shanghai"),
    [
        (0, None, None, "excellent"),
        (2, "mild", "mild", "excellent"),
        (2.3, None, None, None),
        (4.5, None, None, "good"),
        (5, "moderate", "mild", "fair or poor"),
        (6, "moderate", "moderate", "fair or poor"),
        (9, "severe", "severe", "fair or poor"),
    ],
)
def test_a_pain_class_is_a_matter_of_its_scheme(vas, chow, mcdonald, shanghai):
    told = [score("vas", {"vas": vas}, scheme).band for scheme in ("chow_2016", "mcdonald_2016", "shanghai")]
    assert told == [chow, mcdonald, shanghai]


def test_bm22_keeps_items_scales_and_the_printed_sum_apart():
    told = score("bm22", {f"q{n}": 1 for n in range(1, 23)})
    assert told.value == 22
    assert told.scales == {
        "painful_sites": 0,
        "pain_characteristics": 0,
        "functional_interference": 100,
        "psychosocial_aspects": 100,
    }


def test_bm22_scales_are_linear_between_their_ends():
    told = score("bm22", {f"q{n}": 2 for n in range(1, 23)})
    assert told.value == 44
    assert {name: round(value, 1) for name, value in told.scales.items()} == {
        "painful_sites": 33.3,
        "pain_characteristics": 33.3,
        "functional_interference": 66.7,
        "psychosocial_aspects": 66.7,
    }


def test_a_bm22_scale_needs_half_of_its_items():
    told = score("bm22", {"q6": 4, "q7": 2, "q1": 2, "q2": 2})
    assert told.value is None
    assert told.scales["pain_characteristics"] == pytest.approx(100 * 2 / 3)
    assert told.scales["painful_sites"] is None


@pytest.mark.parametrize(
    ("before", "after", "grades", "direction"),
    [("B", "D", 2, "improved"), ("D", "C", -1, "worse"), ("E", "E", 0, "unchanged")],
)
def test_asia_recovers_towards_e(before, after, grades, direction):
    told = asia_change(before, after)
    assert (told.grades, told.direction) == (grades, direction)


@pytest.mark.parametrize(
    ("instrument", "answers", "named"),
    [
        ("odi", {"s1": 6}, "s1"),
        ("odi", {"s11": 1}, "items"),
        ("odi", {"s1": True}, "s1"),
        ("odi", {"s1": 2.5}, "s1"),
        ("vas", {"vas": 10.1}, "vas"),
        ("vas", {"vas": float("nan")}, "vas"),
        ("vas", {"vas": "5"}, "vas"),
        ("sins", {"pain": "maybe"}, "pain"),
        ("barthel", {"bathing": 10}, "bathing"),
        ("bm22", {"q3": 0}, "q3"),
        ("euroqol", {}, "instrument"),
    ],
)
def test_an_impossible_answer_is_refused_by_name_and_never_repeated(instrument, answers, named):
    with pytest.raises(ImpossibleAnswer) as told:
        score(instrument, answers)
    assert told.value.field == named
    assert told.value.expected.startswith("expected")


def test_an_unknown_scheme_is_refused():
    with pytest.raises(ImpossibleAnswer, match="published, hebei"):
        score("sins", SINS_6, "mine")


SUMMED = [(name, scheme.name) for name, each in INSTRUMENTS.items() for scheme in each.schemes]


def answer_to(item):
    return st.floats(*item.within) if item.within else st.sampled_from(list(item.points))


def full_answers(name, scheme):
    return st.fixed_dictionaries({item.key: answer_to(item) for item in INSTRUMENTS[name].scheme(scheme).items})


@pytest.mark.parametrize(("name", "scheme"), SUMMED)
@settings(max_examples=25, deadline=None)
@given(st.data())
def test_a_score_lies_within_its_range_and_the_order_of_items_is_irrelevant(name, scheme, data):
    answers = data.draw(full_answers(name, scheme))
    told = score(name, answers, scheme)
    assert told.low <= told.value <= told.high
    shuffled = dict(data.draw(st.permutations(list(answers.items()))))
    assert score(name, shuffled, scheme) == told


@pytest.mark.parametrize(("name", "scheme"), SUMMED)
@settings(max_examples=25, deadline=None)
@given(st.data())
def test_a_score_follows_each_of_its_items(name, scheme, data):
    answers = data.draw(full_answers(name, scheme))
    item = data.draw(st.sampled_from(INSTRUMENTS[name].scheme(scheme).items))
    other = data.draw(answer_to(item))
    change = item.worth(other) - item.worth(answers[item.key])
    moved = score(name, answers | {item.key: other}, scheme).value - score(name, answers, scheme).value
    assert (moved > 0) == (change > 0)
    assert (moved < 0) == (change < 0)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 5) | st.none(), min_size=10, max_size=10))
def test_an_unanswered_section_never_moves_oswestry_beyond_the_answered_ones(answers):
    told = [answer for answer in answers if answer is not None]
    value = odi(*answers).value
    assert value is None if not told else min(told) * 20 <= value + 1e-9 <= max(told) * 20 + 2e-9


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 5) | st.none(), min_size=10, max_size=10), st.integers(0, 9), st.integers(0, 5))
def test_oswestry_follows_an_answered_section_whatever_else_is_missing(answers, place, other):
    before = [*answers[:place], other, *answers[place + 1 :]]
    for worse in range(other + 1, 6):
        after = [*before[:place], worse, *before[place + 1 :]]
        assert odi(*after).value > odi(*before).value


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 4) | st.none(), min_size=22, max_size=22), st.integers(0, 21))
def test_a_worse_bm22_answer_never_makes_a_symptom_less_or_a_function_better(answers, place):
    def scales(answer):
        told = [*answers[:place], answer, *answers[place + 1 :]]
        return score("bm22", {f"q{n}": value for n, value in enumerate(told, start=1)}).scales

    before, after = scales(1), scales(4)
    for name in ("painful_sites", "pain_characteristics"):
        assert before[name] is None or after[name] >= before[name]
    for name in ("functional_interference", "psychosocial_aspects"):
        assert before[name] is None or after[name] <= before[name]
    assert before != after or any(value is None for value in before.values())


def totals_of(scheme):
    """Every sum that the items can come to."""
    totals = {0}
    for item in scheme.items:
        totals = {total + item.worth(answer) for total in totals for answer in item.points}
    return totals


@pytest.mark.parametrize(
    ("name", "scheme"), [each for each in SUMMED if each[0] in {"sins", "tomita", "tokuhashi", "barthel", "kps"}]
)
def test_every_total_has_one_band_and_bands_rise_with_it(name, scheme):
    told = INSTRUMENTS[name].scheme(scheme)
    totals = sorted(totals_of(told))
    assert (totals[0], totals[-1]) == (told.low, told.high)
    held = [[band.name for band in told.bands if band.low <= total <= band.high] for total in totals]
    assert all(len(names) == 1 for names in held)
    assert list(dict.fromkeys(names[0] for names in held)) == [band.name for band in told.bands]


@settings(max_examples=25, deadline=None)
@given(st.dictionaries(st.sampled_from([f"q{n}" for n in range(1, 23)]), st.integers(1, 4)))
def test_bm22_scales_stay_within_0_to_100(answers):
    assert all(value is None or 0 <= value <= 100 for value in score("bm22", answers).scales.values())


def test_the_ends_of_every_scheme_can_be_reached():
    for name, scheme in SUMMED:
        items = INSTRUMENTS[name].scheme(scheme).items
        ends = []
        for pick in (min, max):
            answers = {
                item.key: pick(item.within) if item.within else pick(item.points, key=item.worth) for item in items
            }
            ends.append(score(name, answers, scheme).value)
        assert ends == [INSTRUMENTS[name].scheme(scheme).low, INSTRUMENTS[name].scheme(scheme).high]


PRINTED = {
    "sins": {
        "location": {"junctional": 3, "mobile": 2, "semirigid": 1, "rigid": 0},
        "pain": {"yes": 3, "occasional_non_mechanical": 1, "none": 0},
        "lesion": {"lytic": 2, "mixed": 1, "blastic": 0},
        "alignment": {"subluxation": 4, "new_deformity": 2, "normal": 0},
        "collapse": {"over_half": 3, "under_half": 2, "none_but_over_half_involved": 1, "none": 0},
        "posterolateral": {"both_sides": 3, "one_side": 1, "none": 0},
    },
    "tomita": {
        "primary": {"slow": 1, "moderate": 2, "rapid": 4},
        "visceral": {"none": 0, "treatable": 2, "untreatable": 4},
        "bone": {"solitary": 1, "multiple": 2},
    },
    "tokuhashi": {
        "kps": {10: 0, 20: 0, 30: 0, 40: 0, 50: 1, 60: 1, 70: 1, 80: 2, 90: 2, 100: 2},
        "extraspinal": {"three_or_more": 0, "one_or_two": 1, "none": 2},
        "vertebral": {"three_or_more": 0, "two": 1, "one": 2},
        "organs": {"unremovable": 0, "removable": 1, "none": 2},
        "primary": {
            **dict.fromkeys(("lung", "osteosarcoma", "stomach", "bladder", "oesophagus", "pancreas"), 0),
            **dict.fromkeys(("liver", "gallbladder", "unidentified"), 1),
            "other": 2,
            "kidney": 3,
            "uterus": 3,
            "rectum": 4,
            **dict.fromkeys(("thyroid", "breast", "prostate", "carcinoid"), 5),
        },
        "palsy": {"A": 0, "B": 0, "C": 1, "D": 1, "E": 2},
    },
    "barthel": {
        "feeding": {0: 0, 5: 5, 10: 10},
        "bathing": {0: 0, 5: 5},
        "grooming": {0: 0, 5: 5},
        "dressing": {0: 0, 5: 5, 10: 10},
        "bowels": {0: 0, 5: 5, 10: 10},
        "bladder": {0: 0, 5: 5, 10: 10},
        "toilet": {0: 0, 5: 5, 10: 10},
        "transfer": {0: 0, 5: 5, 10: 10, 15: 15},
        "mobility": {0: 0, 5: 5, 10: 10, 15: 15},
        "stairs": {0: 0, 5: 5, 10: 10},
    },
}
"""Points of every answer, copied from the published tables: Fisher 2010, Tomita 2001, Tokuhashi 2005, Mahoney 1965."""


@pytest.mark.parametrize("name", PRINTED)
def test_every_answer_has_the_points_of_the_published_table(name):
    assert {item.key: dict(item.points) for item in INSTRUMENTS[name].scheme().items} == PRINTED[name]


def test_bm22_has_five_sites_three_pains_eight_functions_and_six_of_the_mind():
    bad = INSTRUMENTS["bm22"].score({f"q{number}": 4 for number in range(1, 23)}).scales
    assert bad == {
        "painful_sites": 100,
        "pain_characteristics": 100,
        "functional_interference": 0,
        "psychosocial_aspects": 0,
    }
    for first, last, scale in ((1, 5, "painful_sites"), (6, 8, "pain_characteristics")):
        told = INSTRUMENTS["bm22"].score({f"q{number}": 1 for number in range(first, last + 1)}).scales
        assert {name for name, value in told.items() if value is not None} == {scale}
    told = INSTRUMENTS["bm22"].score({f"q{number}": 1 for number in range(9, 17)}).scales
    assert {name for name, value in told.items() if value is not None} == {"functional_interference"}
