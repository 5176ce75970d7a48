"""Methods with a cache of support images: official numbers, the first of the best settings, absent images."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import product

import pytest
import torch
import torch.nn.functional as F
from parity_kit import (
    Case,
    batch_of,
    case_names,
    class_set,
    generator,
    images,
    made,
    replay,
    support_view,
    tiny_backbone,
)
from torch import Tensor, nn

from bench.sweep import SweepRequest, expand
from datasets_registry import ClassSet, EvalProtocol
from methods import Method, SupportView, get_method, rehark
from methods.dmn import DMN, SHARES, DMNConfig
from methods.proker import IMAGENET_BETA, ProKeR, ProKeRConfig
from methods.rehark import CANDIDATES, RANGES, ReHARK, trials

CLASSES = class_set("base")


# --- ProKeR -----------------------------------------------------------------------------------------------------------


proker = partial(made, ProKeR)


def official_settings(dataset: str | None) -> ProKeRConfig:
    return ProKeR.info.default_config(EvalProtocol.FEW_SHOT).for_dataset(dataset or "")


def logits_of(method: ProKeR, n: int = 10) -> Tensor:
    with torch.no_grad():
        return method.classifier(method.support_classes)(batch_of(tiny_backbone(), images("test")[:n], None))


@pytest.mark.parametrize("name", case_names("proker"))
def test_proker(name: str) -> None:
    case = Case("proker", name)
    official, which = case.config["official"], case.config["train_classes"]
    names = class_set(which).names
    classes = ClassSet(names, "a photo of a {}.", dataset=official["dataset"])
    drawn = support_view(tiny_backbone(), classes, mirrored=True)
    support = SupportView(classes, drawn.labels, official["shots"], drawn.features, drawn.views)
    selection = {"imagenet": "fixed", "coop": "validation"}[official["hp_selection"]]
    views = 0 if case.config["views"] == 1 else case.config["views"]
    ranges = official_settings(official["dataset"]) if selection == "validation" else ProKeRConfig()
    searched = {"search_beta": ranges.search_beta, "search_lmbda": ranges.search_lmbda}
    method = proker(support, templates=case.config["templates"], views=views, selection=selection, **searched)
    case.assert_close(method.rows, "rows", "rows")
    case.assert_close(method.text, "text", "text")
    seen = case.tensors["validation_idx"]
    features = batch_of(tiny_backbone(), images("test")[seen], None).features
    method.calibrate(SupportView(classes, seen // 2, 1, lambda: features, drawn.views))
    if selection == "validation":
        assert method.beta == pytest.approx(case.config["searched"]["beta"])
    case.assert_logits(method, logits_of(method, 2 * len(names)), f"logits_after/{which}", f"logits_after/{which}")


def test_prokers_search_takes_the_first_of_the_best_pairs() -> None:
    classes = class_set("base")
    support, validation = support_view(tiny_backbone(), classes), support_view(tiny_backbone(), classes, "test")
    ranges = {"search_beta": (0.5, 20.0, 3), "search_lmbda": (0.01, 5.0, 4), "views": 0}
    pairs = list(product((0.5, 10.25, 20.0), torch.linspace(0.01, 5, 4).tolist()))
    alone = [proker(support, beta=beta, lmbda=lmbda, views=0) for beta, lmbda in pairs]
    correct = [int((logits_of(one).argmax(dim=1) == validation.labels).sum()) for one in alone]
    assert min(correct) < max(correct), "pairs must differ"
    method = proker(support, selection="validation", **ranges)
    method.calibrate(validation)
    torch.testing.assert_close(logits_of(method), logits_of(alone[correct.index(max(correct))]), atol=1e-6, rtol=0)
    assert method.tuning.evaluations == 12


@pytest.mark.parametrize(("shots", "values"), [(1, 1), (3, 2), (16, 16), (32, 16)])
def test_fixed_values_are_those_of_the_largest_listed_shots(shots: int, values: int) -> None:
    drawn = support_view(tiny_backbone(), class_set("base"))
    method = proker(SupportView(drawn.classes, drawn.labels, shots, drawn.features, drawn.views), views=0)
    assert method.beta == dict(IMAGENET_BETA)[values]
    assert proker(drawn, views=0, beta=7.0).beta == 7.0
    assert proker(drawn, views=0, beta=((4, 2.0), (8, 3.0))).beta == 2.0


def test_a_single_view_is_a_random_crop_and_none_the_centre_view() -> None:
    drawn, area = support_view(tiny_backbone(), class_set("base")), []

    def views(count: int, crop_scale: tuple[float, float]) -> Tensor:
        area.append((count, crop_scale))
        return drawn.features()[None] * -1

    support = SupportView(drawn.classes, drawn.labels, 2, drawn.features, views)
    random, centre = (proker(support, views=count, crop_scale=(0.08, 1.0)).rows for count in (1, 0))
    assert area == [(1, (0.08, 1.0))]
    assert torch.equal(random, -centre)


def test_a_class_without_images_gets_logits() -> None:
    drawn = support_view(tiny_backbone(), class_set("base"))
    features = drawn.features()[:8]
    method = proker(SupportView(drawn.classes, drawn.labels[:8], 2, lambda: features, drawn.views), views=0)
    assert logits_of(method).shape == (10, 5)


# --- ReHARK -----------------------------------------------------------------------------------------------------------


made_rehark = partial(made, ReHARK)


@pytest.mark.parametrize("name", case_names("rehark"))
def test_rehark(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case("rehark", name)
    which, tried = case.config["train_classes"], case.config["tried"]
    monkeypatch.setattr(rehark, "trials", lambda count: tried[:count])
    drawn = support_view(tiny_backbone(), class_set(which), mirrored=True)
    test = batch_of(tiny_backbone(), images("test")[: len(drawn.labels)], None).features
    support = replace(drawn, unlabelled=lambda: test)
    settings = {"templates": case.config["templates"], "views": case.config["views"], "trials": len(tried)}
    method = made_rehark(support, **settings)
    case.assert_close(method.text, "text", "text")
    case.assert_close(method.described, "generic", "generic")
    seen = case.tensors["validation_idx"]
    method.calibrate(replace(support, labels=seen // 2, features=lambda: test[seen]))
    assert {name: getattr(method.fits[0].values, name) for name in RANGES} == case.config["searched"]
    key = f"logits_after/{which}"
    case.assert_logits(method, logits_of(method, len(drawn.labels)), key, key)


def test_reharks_search_takes_the_first_of_the_best_trials() -> None:
    support, validation = support_view(tiny_backbone(), CLASSES), support_view(tiny_backbone(), CLASSES, "test")
    support = replace(support, unlabelled=validation.features)
    alone = [made_rehark(support, views=1, selection="fixed", **values) for values in trials(20)]
    correct = [int((logits_of(one).argmax(dim=1) == validation.labels).sum()) for one in alone]
    assert min(correct) < max(correct), "trials must differ"
    method = made_rehark(support, views=1, trials=20)
    method.calibrate(validation)
    torch.testing.assert_close(logits_of(method), logits_of(alone[correct.index(max(correct))]), atol=1e-5, rtol=0)
    assert method.tuning.evaluations == 20


@pytest.mark.parametrize(("images_at_most", "views"), [(1000, 3), (20, 2), (19, 1), (5, 1)])
def test_a_search_has_as_many_views_as_it_may(images_at_most: int, views: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rehark, "SEARCHED_IMAGES", images_at_most)
    method = made_rehark(support_view(tiny_backbone(), CLASSES, mirrored=True), views=3, trials=2)
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
    alone = [logits_of(made_rehark(support, views=1, selection="fixed", **values)) for values in trials(CANDIDATES)]
    expected = torch.stack([logits.softmax(dim=1) for logits in alone]).mean(dim=0)
    found = logits_of(made_rehark(support, views=1, selection="ensemble")).exp()
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_sentences_are_mixed_with_the_template() -> None:
    sentences = tuple((f"the {name} it is.", f"a thing called {name}.") for name in CLASSES.names)
    support = support_view(tiny_backbone(), ClassSet(CLASSES.names, CLASSES.template, sentences))
    plain, described = made_rehark(support_view(tiny_backbone(), CLASSES), views=1), made_rehark(support, views=1)
    assert torch.equal(plain.text, described.text)
    assert float((plain.described - described.described).abs().max()) > 0.01
    for share, same in ((0.0, True), (1.0, False)):
        ours = made_rehark(support, views=1, selection="fixed", alpha_txt=share)
        assert torch.equal(made_rehark(replace(support, classes=CLASSES), views=1, alpha_txt=share).fits[0].prior,
                           ours.fits[0].prior) is same  # fmt: skip


def test_a_class_without_images_keeps_its_text() -> None:
    drawn = support_view(tiny_backbone(), CLASSES)
    features = drawn.features()[:8]
    support = replace(drawn, labels=drawn.labels[:8], features=lambda: features)
    method = made_rehark(support, views=1, alpha_txt=0.0, power=1.0, refine_w=1.0)
    torch.testing.assert_close(method.fits[0].prior[4], method.text[4])
    assert bool(logits_of(method).isfinite().all())


def test_a_pool_of_one_image_gives_finite_logits() -> None:
    drawn = support_view(tiny_backbone(), CLASSES)
    one = drawn.features()[:1]
    assert bool(logits_of(made_rehark(replace(drawn, unlabelled=lambda: one), views=1)).isfinite().all())


# --- DMN --------------------------------------------------------------------------------------------------------------


NAMES_OF_DMN = {
    "global_bias": "query", "global_bias_key": "key", "global_bias_value": "value", "global_ffn_bias": "output",
    "text_bias": "text_shift",
}  # fmt: skip


def probabilities(method: DMN) -> Tensor:
    with torch.no_grad():
        return method.classifier(CLASSES)(batch_of(tiny_backbone(), images("test"), None)).softmax(dim=1)


@pytest.mark.parametrize("name", case_names("dmn"))
def test_dmn(name: str) -> None:
    case = Case("dmn", name)
    settings = {key: case.config[key] for key in ("beta", "share", "logit_scale")}
    config = DMNConfig(selection="fixed", templates=(case.config["template"],), **settings)

    def trained(method: DMN) -> dict[str, nn.Parameter]:
        return {official: getattr(method.trainable, ours) for official, ours in NAMES_OF_DMN.items()}

    replay(DMN(tiny_backbone(), config, generator()), case, trained)


def test_classes_with_few_images_read_only_the_rows_that_they_have() -> None:
    whole = support_view(tiny_backbone(), CLASSES)
    kept = torch.tensor([0, 1, 2, 4, 5, 8])  # class 3 has no image, and two classes have one
    some = replace(whole, labels=whole.labels[kept], features=lambda: whole.features()[kept])
    method = made(DMN, some, selection="fixed", share=2.0)
    text = F.normalize(tiny_backbone().class_texts(CLASSES, CLASSES.template), dim=-1)
    rows = F.normalize(whole.features(), dim=-1)
    features = F.normalize(batch_of(tiny_backbone(), images("test"), None).features, dim=-1)
    for image, p in zip(features, probabilities(method), strict=True):
        read = []
        for c in range(len(CLASSES)):
            memory = [text[c], *(rows[i] for i in kept.tolist() if int(whole.labels[i]) == c)]
            read.append(F.normalize(sum(torch.exp(-5.5 * (1 - row @ image)) * row for row in memory), dim=0))
        scale = float(tiny_backbone().logit_scale)
        expected = (scale * text @ image).softmax(dim=0) + 2 * (scale * torch.stack(read) @ image).softmax(dim=0)
        torch.testing.assert_close(p, expected / expected.sum(), atol=1e-5, rtol=1e-4)


def test_dmns_search_takes_the_first_of_the_best_shares() -> None:
    validation = support_view(tiny_backbone(), CLASSES, "test")
    method = made(DMN)
    method.calibrate(validation)
    right = []
    for share in SHARES:
        guess = probabilities(made(DMN, selection="fixed", share=share))[: len(validation.labels)].argmax(dim=1)
        right.append(int((guess == validation.labels).sum()))
    assert float(method.trainable.share) == pytest.approx(SHARES[right.index(max(right))])
    assert method.tuning.evaluations == len(SHARES) == 13
    assert min(right) < max(right)


def test_a_kept_model_has_the_searched_share() -> None:
    method = made(DMN)
    method.calibrate(support_view(tiny_backbone(), CLASSES, "test"))
    other = DMN(tiny_backbone(), DMNConfig(), generator())
    other.restore_tuned_state(CLASSES, method.tuned_state())
    assert torch.equal(probabilities(other), probabilities(method))


# --- Tip-Adapter ------------------------------------------------------------------------------------------------------


TIP_ADAPTERS = ("tip_adapter", "tip_adapter_f")


def tip_adapter(name: str, dataset: str | None, **settings: object) -> Method:
    info = get_method(name).info
    values = info.settled(EvalProtocol.FEW_SHOT, {"augment_epochs": 1, **settings}).values
    config = info.config.model_validate(values).for_dataset(dataset or "")
    method = get_method(name)(tiny_backbone(), config, torch.Generator().manual_seed(0))
    classes = replace(class_set("base"), dataset=dataset)
    method.prepare(support_view(tiny_backbone(), classes))
    return method


def test_only_tip_adapter_f_learns_the_keys_of_its_cache() -> None:
    assert not tip_adapter("tip_adapter", None).cache.keys.requires_grad
    assert tip_adapter("tip_adapter_f", None).cache.keys.requires_grad


@pytest.mark.parametrize("name", TIP_ADAPTERS)
def test_settings_that_are_given_hold_on_every_dataset(name: str) -> None:
    method = tip_adapter(name, "eurosat", alpha=0.5, search_scale=(2, 3))
    assert float(method.cache.alpha) == 0.5
    assert list(method.candidates(class_set("base")))[-1] == "alpha 2.71, beta 1.81"


def test_one_entry_of_a_board_holds_all_datasets() -> None:
    """The settings of a spec name the rule, not the values of one dataset."""
    datasets = ["spectrum_basic", "spectrum_words"]
    axes = {"datasets": datasets, "shots": [1], "seeds": [1], "protocol": "few-shot"}
    specs = expand(SweepRequest(methods=["tip_adapter_f"], **axes)).specs
    assert len({str((spec.config, spec.recipe)) for spec in specs}) == 1
    assert specs[0].recipe is not None
    assert specs[0].recipe["by_dataset"] == {"eurosat": {"epochs": 100}}
