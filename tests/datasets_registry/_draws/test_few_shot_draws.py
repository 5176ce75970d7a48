import random
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets_registry import Sample, ShotsError, few_shot_draws

NAMES = [f"class {i}" for i in range(8)]


def samples(sizes: list[int], *, split: str = "train", shuffled_by: int | None = None) -> list[Sample]:
    made = [Sample(f"{split}/{label}_{i}.png", label) for label, n in enumerate(sizes) for i in range(n)]
    if shuffled_by is not None:
        random.Random(shuffled_by).shuffle(made)
    return made


def reference_draw(items: list[Sample], k: int, rng: random.Random) -> list[Sample]:
    """CoOp's draw in its simplest form: objects, a dict in insertion order, CPython's `random.sample`."""
    tracker: dict[int, list[Sample]] = {}
    for item in items:
        tracker.setdefault(item.label, []).append(item)
    chosen: list[Sample] = []
    for members in tracker.values():
        chosen.extend(rng.sample(members, k) if len(members) >= k else members)
    return chosen


def nested(train: Sequence[Sample], **options: Any) -> few_shot_draws.FewShotDraw:
    return few_shot_draws.draw_nested(train, [], **({"dataset": "toy", "shots": 3, "seed": 1} | options))


sizes_with_enough = st.lists(st.integers(16, 24), min_size=1, max_size=8)


class TestCoop:
    @given(sizes_with_enough, st.integers(0, 1000), st.sampled_from([1, 2, 4, 8, 16]), st.integers(0, 5))
    def test_equals_random_sample_on_objects_train_first_then_val(self, sizes, seed, shots, shuffle):
        train = samples(sizes, shuffled_by=shuffle)
        val = samples([5] * len(sizes), split="val", shuffled_by=shuffle)
        rng = random.Random(seed)
        expected_train = reference_draw(train, shots, rng)
        expected_val = reference_draw(val, min(shots, 4), rng)
        draw = few_shot_draws.draw_coop(train, val, shots=shots, seed=seed, class_names=NAMES[: len(sizes)])
        assert list(draw.train) == expected_train
        assert list(draw.val) == expected_val

    def test_a_small_validation_class_is_taken_whole_without_using_the_generator(self):
        """As in CoOp; later classes get the same images as without this class."""
        train, val = samples([9, 9]), samples([3, 9], split="val")
        draw = few_shot_draws.draw_coop(train, val, shots=4, seed=1, class_names=NAMES[:2])
        rng = random.Random(1)
        assert list(draw.train) == rng.sample(train[:9], 4) + rng.sample(train[9:], 4)
        assert list(draw.val) == val[:3] + rng.sample(val[3:], 4)


class TestNested:
    @given(sizes_with_enough, st.integers(0, 1000))
    def test_fewer_shots_are_the_first_of_more_shots(self, sizes, seed):
        train, val, names = samples(sizes), samples([5] * len(sizes), split="val"), NAMES[: len(sizes)]
        options = {"dataset": "toy", "seed": seed, "class_names": names}
        draws = {k: few_shot_draws.draw_nested(train, val, shots=k, **options) for k in (1, 2, 4, 8, 16)}
        for small, large in ((1, 2), (2, 4), (4, 8), (8, 16)):
            assert set(draws[small].train) <= set(draws[large].train)
            assert set(draws[small].val) <= set(draws[large].val)
        for k, draw in draws.items():
            for label in range(len(sizes)):
                assert sum(s.label == label for s in draw.train) == k
                assert sum(s.label == label for s in draw.val) == min(k, 4)

    @given(st.integers(0, 1000), st.integers(1, 100))
    def test_neither_list_order_nor_other_classes_nor_the_number_of_a_class_matter(self, seed, shuffle):
        whole = nested(samples([9, 9, 9]), class_names=["a", "b", "c"], seed=seed)
        assert nested(samples([9, 9, 9], shuffled_by=shuffle), class_names=["a", "b", "c"], seed=seed) == whole
        renumbered = few_shot_draws.select_classes(samples([9, 9, 9]), [1])
        alone = nested(renumbered, class_names=["b"], seed=seed)
        assert [s.key for s in alone.train] == [s.key for s in whole.train if s.label == 1]

    def test_removing_an_image_that_was_not_drawn_changes_nothing(self):
        whole = nested(samples([9]), class_names=["a"])
        unused = next(s for s in samples([9]) if s not in whole.train)
        assert nested([s for s in samples([9]) if s != unused], class_names=["a"]) == whole

    @pytest.mark.parametrize("other", [{"dataset": "tox"}, {"seed": 2}, {"class_names": ["b"]}])
    def test_dataset_seed_and_class_each_change_the_draw(self, other):
        options = {"shots": 8, "class_names": ["a"]}
        assert nested(samples([40]), **options) != nested(samples([40]), **(options | other))

    def test_the_draw_is_pinned(self):
        """A change of the rule would change every stored result, so it must not go unnoticed."""
        draw = nested(samples([6, 6]), shots=2, class_names=["a", "b"])
        assert [s.key for s in draw.train] == ["train/0_0.png", "train/0_5.png", "train/1_0.png", "train/1_2.png"]


@pytest.mark.parametrize(
    "draw", [few_shot_draws.draw_coop, lambda *a, **k: few_shot_draws.draw_nested(*a, dataset="toy", **k)]
)
class TestBoth:
    def test_the_error_for_too_many_shots_names_class_size_and_remedy(self, draw):
        with pytest.raises(ShotsError, match=r"requested.*'owl'.* 5 training images \(2 of 3"):
            draw(samples([9, 7, 5]), [], shots=8, seed=1, class_names=["cat", "dog", "owl"])

    def test_negative_shots_are_rejected(self, draw):
        with pytest.raises(ShotsError, match="Shots is -1"):
            draw(samples([9]), [], shots=-1, seed=1, class_names=["cat"])

    def test_zero_shots_draw_nothing(self, draw):
        drawn = draw(samples([9]), samples([9], split="val"), shots=0, seed=1, class_names=["cat"])
        assert drawn.train == drawn.val == ()

    def test_a_missing_or_small_validation_split_is_used_whole(self, draw):
        drawn = draw(samples([9, 9]), samples([2, 0], split="val"), shots=8, seed=1, class_names=["cat", "dog"])
        assert sorted(s.key for s in drawn.val) == ["val/0_0.png", "val/0_1.png"]


class TestHalves:
    @pytest.mark.parametrize(("n", "base", "new"), [(37, 19, 18), (397, 199, 198), (10, 5, 5), (47, 24, 23), (2, 1, 1)])
    def test_base_is_the_first_half_rounded_up(self, n, base, new):
        halves = few_shot_draws.class_halves(n)
        assert (len(halves[0]), len(halves[1])) == (base, new)

    @given(st.lists(st.integers(1, 4), min_size=2, max_size=9), st.integers(0, 100))
    def test_base_and_new_are_disjoint_and_complete_and_numbered_from_zero(self, sizes, shuffle):
        everything = samples(sizes, shuffled_by=shuffle)
        base, new = few_shot_draws.class_halves(len(sizes))
        base_kept, new_kept = (few_shot_draws.select_classes(everything, half) for half in (base, new))
        assert {s.key for s in base_kept}.isdisjoint(s.key for s in new_kept)
        assert {s.key for s in (*base_kept, *new_kept)} == {s.key for s in everything}
        label_of = {s.key: s.label for s in everything}
        assert all(s.label == label_of[s.key] for s in base_kept)
        assert all(s.label == label_of[s.key] - len(base) for s in new_kept)
        assert {s.label for s in new_kept} == set(range(len(new)))
