"""What was worked out of a picture once is not worked out again, and never taken for that of another."""

from __future__ import annotations

import resource

import numpy as np

from detection.kept import MOST_KEPT, kept
from detection.threads import keep_memory


def test_work_is_done_once_for_each_array_however_equal():
    asked = []
    total = kept(lambda picture: asked.append(picture) or float(picture.sum()))
    one, same = np.ones((3, 4)), np.ones((3, 4))
    assert [total(one), total(one), total(same), total(one)] == [12.0] * 4
    assert [id(each) for each in asked] == [id(one), id(same)]


def test_the_picture_not_asked_for_longest_is_forgotten_first():
    asked = []
    total = kept(lambda picture: asked.append(picture) or float(picture.sum()))
    pictures = [np.full(2, n) for n in range(MOST_KEPT + 1)]
    for picture in (*pictures[:-1], pictures[0], pictures[-1], pictures[0], pictures[1]):
        total(picture)
    assert [each[0] for each in asked] == [*range(MOST_KEPT + 1), 1]


def test_a_picture_is_made_in_the_memory_of_the_one_before():
    assert keep_memory()
    pictures = [np.ones((512, 512), np.float32) for _ in range(4)]
    del pictures
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(50):
        pictures = [np.ones((512, 512), np.float32) for _ in range(4)]
        del pictures
    n_pages = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
    assert n_pages < 1024, "200 MiB were written to, of which 4 are new at most"
