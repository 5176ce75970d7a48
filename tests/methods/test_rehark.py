"""ReHARK equals its official code on the recorded tiny CLIP, and its search takes the first of the best trials."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
import torch
from parity_kit import Case, batch_of, case_names, class_set, images, made, support_view, tiny_backbone
from torch import Tensor

from datasets_registry import ClassSet
from methods import rehark
from methods.rehark import CANDIDATES, RANGES, ReHARK, trials

CLASSES = class_set("base")


prepared = partial(made, ReHARK)


def logits_of(method: ReHARK, n: int = 10) -> Tensor:
    with torch.no_grad():
        return method.classifier(method.support_classes)(batch_of(tiny_backbone(), images("test")[:n], None))


@pytest.mark.parametrize("name", case_names("rehark"))
def test_logits_are_those_of_the_official_code(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case("rehark", name)
    which, tried = case.config["train_classes"], case.config["tried"]
    monkeypatch.setattr(rehark, "trials", lambda count: tried[:count])
    drawn = support_view(tiny_backbone(), class_set(which), mirrored=True)
    test = batch_of(tiny_backbone(), images("test")[: len(drawn.labels)], None).features
    support = replace(drawn, unlabelled=lambda: test)
    settings = {"templates": case.config["templates"], "views": case.config["views"], "trials": len(tried)}
    method = prepared(support, **settings)
    case.assert_close(method.text, "text", "text")
    case.assert_close(method.described, "generic", "generic")
    seen = case.tensors["validation_idx"]
    method.calibrate(replace(support, labels=seen // 2, features=lambda: test[seen]))
    assert {name: getattr(method.fits[0].values, name) for name in RANGES} == case.config["searched"]
    key = f"logits_after/{which}"
    case.assert_logits(method, logits_of(method, len(drawn.labels)), key, key)


def test_the_search_takes_the_first_of_the_best_trials() -> None:
    support, validation = support_view(tiny_backbone(), CLASSES), support_view(tiny_backbone(), CLASSES, "test")
    support = replace(support, unlabelled=validation.features)
    alone = [prepared(support, views=1, selection="fixed", **values) for values in trials(20)]
    correct = [int((logits_of(one).argmax(dim=1) == validation.labels).sum()) for one in alone]
    assert min(correct) < max(correct), "trials must differ"
    method = prepared(support, views=1, trials=20)
    method.calibrate(validation)
    torch.testing.assert_close(logits_of(method), logits_of(alone[correct.index(max(correct))]), atol=1e-5, rtol=0)
    assert method.tuning.evaluations == 20


@pytest.mark.parametrize(("images_at_most", "views"), [(1000, 3), (20, 2), (19, 1), (5, 1)])
def test_a_search_has_as_many_views_as_it_may(images_at_most: int, views: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rehark, "SEARCHED_IMAGES", images_at_most)
    method = prepared(support_view(tiny_backbone(), CLASSES, mirrored=True), views=3, trials=2)
    fit, seen = method.fit, []
    monkeypatch.setattr(method, "fit", lambda c, pool, count: (seen.append(count), fit(c, pool, count))[1])
    method.calibrate(support_view(tiny_backbone(), CLASSES, "test"))
    assert seen == [views, views, 3]
    assert len(method.fits[0].rows) == 2 * 3 * 10


def test_trials_are_repeatable_and_within_the_ranges() -> None:
    drawn = trials(1000)
    assert drawn[:CANDIDATES] == trials(CANDIDATES)
    for name, (low, high) in RANGES.items():
        values = torch.tensor([one[name] for one in drawn])
        scaled = values.log() if name == "lmbda" else values
        ends = torch.tensor([low, high]).log() if name == "lmbda" else torch.tensor([low, high])
        assert low <= float(values.min()) < float(values.max()) <= high
        assert float(scaled.mean()) == pytest.approx(float(ends.mean()), abs=0.05 * float(ends[1] - ends[0]))


def test_the_ensemble_averages_the_first_trials() -> None:
    support = support_view(tiny_backbone(), CLASSES)
    alone = [logits_of(prepared(support, views=1, selection="fixed", **values)) for values in trials(CANDIDATES)]
    expected = torch.stack([logits.softmax(dim=1) for logits in alone]).mean(dim=0)
    found = logits_of(prepared(support, views=1, selection="ensemble")).exp()
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_sentences_are_mixed_with_the_template() -> None:
    sentences = tuple((f"the {name} it is.", f"a thing called {name}.") for name in CLASSES.names)
    support = support_view(tiny_backbone(), ClassSet(CLASSES.names, CLASSES.template, sentences))
    plain, described = prepared(support_view(tiny_backbone(), CLASSES), views=1), prepared(support, views=1)
    assert torch.equal(plain.text, described.text)
    assert float((plain.described - described.described).abs().max()) > 0.01
    for share, same in ((0.0, True), (1.0, False)):
        ours = prepared(support, views=1, selection="fixed", alpha_txt=share)
        assert torch.equal(prepared(replace(support, classes=CLASSES), views=1, alpha_txt=share).fits[0].prior,
                           ours.fits[0].prior) is same  # fmt: skip


def test_a_class_without_images_keeps_its_text() -> None:
    drawn = support_view(tiny_backbone(), CLASSES)
    features = drawn.features()[:8]
    support = replace(drawn, labels=drawn.labels[:8], features=lambda: features)
    method = prepared(support, views=1, alpha_txt=0.0, power=1.0, refine_w=1.0)
    torch.testing.assert_close(method.fits[0].prior[4], method.text[4])
    assert bool(logits_of(method).isfinite().all())


def test_a_pool_of_one_image_gives_finite_logits() -> None:
    drawn = support_view(tiny_backbone(), CLASSES)
    one = drawn.features()[:1]
    assert bool(logits_of(prepared(replace(drawn, unlabelled=lambda: one), views=1)).isfinite().all())
