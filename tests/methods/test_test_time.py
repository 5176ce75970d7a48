"""Methods of the test-time protocol equal their official code."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from unittest.mock import patch

import pytest
import torch
import torch.nn.functional as F
from parity_kit import Case, batch_of, case_names, class_set, generator, images, tiny_backbone
from parity_record import note
from torch import Tensor

from datasets_registry import EvalProtocol
from methods import METHODS, Batch, StreamClassifier
from methods.tpt import entropy, log_of_mean, most_confident
from methods.zero import _decided

TEMPLATE = "a photo of a {}."
GENERATOR = torch.Generator().manual_seed(7)


def stream_of(
    features: Tensor, size: int = 100, views: Tensor | None = None, asked: list[tuple[int, bool]] | None = None
) -> list[Batch]:
    """Batches of features `(n, dim)` with `views` `(n_views, n, dim)`; `asked` gets how many are read, and if mixed."""
    needs = frozenset({"features", "test_views", "test_stream"})

    def views_from(start: int, k: int, _: tuple[float, float], mixed: bool) -> Tensor:
        if asked is not None:
            asked.append((k, mixed))
        return views[:k, start : start + size]

    return [
        Batch(
            None,
            features=lambda start=start: features[start : start + size],
            pixels=lambda: pytest.fail("pixels were read"),
            test_views=partial(views_from, start),
            needs=needs,
        )
        for start in range(0, len(features), size)
    ]


def classified(name: str, classes: object, batches: list[Batch], **settings: object) -> Tensor:
    cls = METHODS.get(name)
    classifier = cls(tiny_backbone(), cls.info.config(**settings), generator()).classifier(classes)
    assert isinstance(classifier, StreamClassifier)
    with torch.no_grad():
        return torch.cat(list(classifier.over(iter(batches))))


def published(name: str, dataset: str) -> dict[str, object]:
    """The published settings of a method on a dataset."""
    return METHODS.get(name).info.default_config(EvalProtocol.TEST_TIME).for_dataset(dataset).model_dump()


def tda_settings(case: Case) -> dict[str, object]:
    found: dict[str, object] = {"templates": (case.config["template"],), "logit_scale": case.config["logit_scale"]}
    found["views"] = case.config.get("views", 0)
    found |= {"delta": case.config["delta"]} if "delta" in case.config else {}
    for prefix, given in (("", case.config["positive"]), ("negative_", case.config["negative"])):
        if given is None:
            found[f"{prefix}size"] = 0
            continue
        found |= {f"{prefix}size": given["shot_capacity"]}
        found |= {f"{prefix}{name}": given[name] for name in ("alpha", "beta")}
        found |= {name: tuple(given[name]) for name in ("entropy", "mask") if name in given}
    return found


@pytest.mark.parametrize(
    ("method", "name"), [(one, name) for one in ("tda", "boost_adapter") for name in case_names(one)]
)
@pytest.mark.parametrize("size", [1, 7])
def test_caches_classify_a_stream_as_the_official_code(method: str, name: str, size: int) -> None:
    case = Case(method, name)
    which, dataset = case.config["train_classes"], case.config.get("dataset")
    order = case.tensors["order"]
    features, views = case.tensors["features"][order], case.tensors.get("views")
    stream = stream_of(features, size, None if views is None else views[:, order])
    found = classified(method, replace(class_set(which, TEMPLATE), dataset=dataset), stream, **tda_settings(case))
    case.assert_logits(METHODS.get(method), found, f"logits/{which}", f"logits/{which}")


def recorded_views(method: str, name: str, **settings: object) -> tuple[Case, Tensor, Tensor]:
    """A case, what ours gives on its views, and the official features."""
    case = Case(method, name)
    features, which = case.tensors["features"], case.config["train_classes"]
    settings |= {"views": len(features) - 1, "templates": (case.config["template"],)}
    stream = stream_of(features[0], 3, views=features[1:])
    with patch.object(tiny_backbone(), "logit_scale", case.config["logit_scale"]):
        return case, classified(method, class_set(which, TEMPLATE), stream, **settings), features


@pytest.mark.parametrize("name", case_names("zero"))
def test_zero_counts_the_official_votes(name: str) -> None:
    case, found, features = recorded_views("zero", name, selected=0.3)
    votes = case.tensors[f"votes/{case.config['train_classes']}"]
    shares = votes / votes.sum(dim=1, keepdim=True)
    torch.testing.assert_close(found.exp(), shares, atol=1e-5, rtol=1e-4)
    note("zero", found.exp(), shares)
    assert found.shape == (features.shape[1], votes.shape[1])


@pytest.mark.parametrize(
    ("others", "winner"),
    [
        ([[0.1, 0.2, 0.9], [0.3, 0.4, 0.1]], 1),  # the first other view predicts a class that is not tied
        ([[0.1, 0.2, 0.9], [0.2, 0.1, 0.9]], 1),  # none does: the cosines of the first one decide
        ([], 0),
    ],
)
def test_a_tie_is_decided_by_the_other_views(others: list[list[float]], winner: int) -> None:
    tied = torch.tensor([True, True, False])
    assert int(_decided(tied, torch.tensor(others).reshape(-1, 3))) == winner


@pytest.mark.parametrize("name", case_names("mta"))
def test_mta_classifies_the_official_mode(name: str) -> None:
    case = Case("mta", name)
    settings = {key: case.config[key] for key in ("quadratic", "entropic")}
    case, found, _ = recorded_views("mta", name, **settings)
    key = f"logits/{case.config['train_classes']}"
    case.assert_logits(METHODS.get("mta"), found, key, key)


@pytest.mark.parametrize("name", ["zero", "mta"])
def test_views_that_are_the_image_itself_give_its_zero_shot_class(name: str) -> None:
    classes, features = class_set("all", TEMPLATE), batch_of(tiny_backbone(), images("test"), None).features
    stream = stream_of(features, views=features.repeat(7, 1, 1))
    found = classified(name, classes, stream, views=7)
    text = tiny_backbone().class_texts(classes, TEMPLATE)
    assert torch.equal(found.argmax(dim=1), (features @ F.normalize(text, dim=-1).T).argmax(dim=1))


def boost_adapter_on(name: str, **settings: object) -> tuple[Case, Tensor]:
    """A recorded case and our logits with its settings."""
    case = Case("boost_adapter", name)
    order = case.tensors["order"]
    stream = stream_of(case.tensors["features"][order], views=case.tensors["views"][:, order])
    classes = class_set(case.config["train_classes"], TEMPLATE)
    return case, classified("boost_adapter", classes, stream, **tda_settings(case) | settings)


@pytest.mark.parametrize("delta", [0, 2])
@pytest.mark.parametrize("without", [{"size": 0}, {"views": 0}])
def test_boost_adapter_without_a_cache_or_crops_is_not_boosted(without: dict[str, int], delta: int) -> None:
    features = batch_of(tiny_backbone(), images("test"), None).features
    views = features + 0.5 * features.std() * torch.randn(19, *features.shape, generator=GENERATOR)
    shared = {"views": 19, "selected": 0.5, "negative_size": 0} | without
    classes, stream = class_set("base", TEMPLATE), partial(stream_of, features, views=views)
    found = classified("boost_adapter", classes, stream(), delta=delta, **shared)
    assert torch.equal(found, classified("tda", classes, stream(), **shared | {"views": 0}))
    assert not torch.equal(found, classified("boost_adapter", classes, stream(), **shared | {"size": 3, "views": 19}))


@pytest.mark.parametrize(
    ("dataset", "tda", "tpt", "c_tpt", "dmn_zs"),
    [
        ("other", [], [(63, True)], [(63, True)], [(31, True)]),
        ("eurosat", [], [(63, True)], [(63, True)], [(31, True)]),
        ("imagenet", [], [(63, False)], [(63, False)], [(31, False)]),
        ("imagenet_a", [(63, True)], [(63, False)], [(63, True)], [(31, False)]),
        ("imagenet_sketch", [(63, True)], [(63, False)], [(63, True)], [(31, False)]),
    ],
)
def test_views_are_by_default_the_official_ones(dataset: str, tda: list, tpt: list, c_tpt: list, dmn_zs: list) -> None:
    features = batch_of(tiny_backbone(), images("test")[:2], None).features
    classes = replace(class_set("base", TEMPLATE), dataset=dataset)
    for name, expected in (("tda", tda), ("tpt", tpt), ("c_tpt", c_tpt), ("dmn_zs", dmn_zs)):
        asked: list[tuple[int, bool]] = []
        stream = stream_of(features, views=features.repeat(63, 1, 1), asked=asked)
        classified(name, classes, stream, **published(name, dataset))
        assert asked == expected, name


def test_tda_with_views_that_are_the_image_itself_is_tda_without_views() -> None:
    classes, features = class_set("all", TEMPLATE), batch_of(tiny_backbone(), images("test"), None).features
    same = classified("tda", classes, stream_of(features, views=features.repeat(9, 1, 1)), views=9, selected=0.3)
    torch.testing.assert_close(same, classified("tda", classes, stream_of(features)), atol=2e-4, rtol=0)


def test_an_order_of_the_stream_changes_tda_but_not_transduction() -> None:
    classes, features = class_set("all", TEMPLATE), batch_of(tiny_backbone(), images("test"), None).features
    order = torch.randperm(len(features), generator=GENERATOR)
    for name, same in (("tda", False), ("transclip", True), ("stata", True)):
        plain = classified(name, classes, stream_of(features))
        shuffled = classified(name, classes, stream_of(features[order]))
        assert torch.allclose(shuffled, plain[order], atol=1e-2) is same, name


def transclip_on(name: str, **settings: object) -> tuple[Case, Tensor]:
    """A recorded case and our assignments with its settings."""
    case = Case("transclip", name)
    shared = {"templates": (case.config["template"],), "logit_scale": case.config["logit_scale"]}
    stream = stream_of(case.tensors["features"], 7)
    return case, classified("transclip", class_set("all"), stream, **shared | settings).exp()


@pytest.mark.parametrize("name", case_names("transclip"))
def test_transclip_finds_the_official_assignments(name: str) -> None:
    case, found = transclip_on(name)
    key = f"logits/{case.config['train_classes']}"
    case.assert_logits(METHODS.get("transclip"), found, key, key)
    case.assert_close(transclip_on(name, rounds=1)[1], "one_round", "one_round")


def dmn_zs_on(name: str, **settings: object) -> tuple[Case, Tensor]:
    """A recorded case and our logits with its settings."""
    case = Case("dmn_zs", name)
    order, which = case.tensors["order"], case.config["train_classes"]
    given = {key: case.config[key] for key in ("beta", "size", "share", "views", "logit_scale")}
    stream = stream_of(case.tensors["features"][order], 7, case.tensors["views"][:, order])
    shared = {"templates": (case.config["template"],)}
    return case, classified("dmn_zs", class_set(which), stream, **given | shared | settings)


@pytest.mark.parametrize("name", case_names("dmn_zs"))
def test_dmn_zs_reads_the_memory_as_the_official_code(name: str) -> None:
    case, found = dmn_zs_on(name)
    key = f"logits/{case.config['train_classes']}"
    case.assert_logits(METHODS.get("dmn_zs"), found, key, key)


def stata_on(name: str, **settings: object) -> tuple[Case, Tensor]:
    """A recorded case and our assignments with its settings."""
    case = Case("stata", name)
    names = {"alpha": "anchor", "lambda_laplacian": "laplacian", "max_iter": "rounds"}
    given = {ours: case.config[official] for official, ours in names.items() if official in case.config}
    shared = {"templates": (case.config["template"],), "logit_scale": case.config["logit_scale"]}
    stream = stream_of(case.tensors["features"], 7)
    return case, classified("stata", class_set("all"), stream, **given | shared | settings).exp()


@pytest.mark.parametrize("name", case_names("stata"))
def test_stata_finds_the_official_assignments(name: str) -> None:
    case, found = stata_on(name)
    key = f"logits/{case.config['train_classes']}"
    case.assert_logits(METHODS.get("stata"), found, key, key)


SETTINGS_THAT_MATTER = {
    boost_adapter_on: ({"delta": 0}, {"size": 3}, {"selected": 0.2}, {"negative_size": 1}),
    transclip_on: ({"text_weight": 0.5}, {"neighbours": 2}, {"confident": 2}, {"rounds": 2}, {"inner_rounds": 4}),
    dmn_zs_on: ({"size": 1}, {"size": 50}, {"beta": 5.5}, {"share": 1.0}, {"selected": 1.0}),
    stata_on: ({"anchor": 2.0}, {"laplacian": 0.5}, {"neighbours": 2}, {"rounds": 1}),
}
"""Each changes what the recorded case gives; of TransCLIP, after one round."""


@pytest.mark.parametrize(
    ("classify", "change"), [(one, change) for one, changes in SETTINGS_THAT_MATTER.items() for change in changes]
)
def test_the_recorded_settings_matter(classify: Callable[..., tuple[Case, Tensor]], change: dict[str, object]) -> None:
    name = {transclip_on: "all_classes", dmn_zs_on: "full_memory", stata_on: "published"}.get(classify, "busy")
    start: dict[str, object] = {"rounds": 1} if classify is transclip_on else {}
    found, other = classify(name, **start)[1], classify(name, **start | change)[1]
    assert float((found - other).abs().max()) > (1e-3 if classify in (transclip_on, stata_on) else 0.01)


def test_stata_classifies_groups_of_the_stream_separately() -> None:
    case, found = stata_on("published", together=16)
    classes, features = class_set("all"), case.tensors["features"]
    for group, rows in zip(features.split(16), found.split(16), strict=True):
        alone = classified("stata", classes, stream_of(group), logit_scale=100.0).exp()
        torch.testing.assert_close(rows, alone, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("method", "name"), [(one, name) for one in ("tpt", "c_tpt") for name in case_names(one)])
@pytest.mark.parametrize("size", [1, 3])
def test_prompts_are_adapted_to_each_image_as_by_the_official_code(method: str, name: str, size: int) -> None:
    case = Case(method, name)
    which, views = case.config["train_classes"], case.tensors["features"]
    known = ("ctx_init", "views", "selected", "steps", "lr", "dispersion")
    settings = {key: case.config[key] for key in known if key in case.config}
    found = classified(method, class_set(which, TEMPLATE), stream_of(views[0], size, views[1:]), **settings)
    case.assert_logits(METHODS.get(method), found, f"logits/{which}", f"logits/{which}")
    moved = float((case.tensors[f"logits/{which}"] - case.tensors[f"logits_before/{which}"]).abs().max())
    assert moved > 100 * case.tolerance(f"logits/{which}"), "the step matters"


def test_c_tpt_without_dispersion_is_tpt() -> None:
    features = batch_of(tiny_backbone(), images("test")[:2], None).features
    views, classes = features.repeat(9, 1, 1).flip(1), class_set("base", TEMPLATE)
    found, plain = (
        classified(name, classes, stream_of(features, views=views), views=9, selected=0.3, lr=0.05, **settings)
        for name, settings in (("c_tpt", {"dispersion": 0.0}), ("tpt", {}))
    )
    assert torch.equal(found, plain)


def test_tpt_selects_confident_views_and_lowers_the_entropy_of_their_mean() -> None:
    logits = torch.tensor([[0.0, 0.0], [5.0, 0.0], [1.0, 0.0]])
    assert most_confident(logits, 0.1).tolist() == [1]
    assert most_confident(logits, 0.7).tolist() == [1, 2]
    mean = logits.softmax(dim=1).mean(dim=0)
    expected = -sum(float(p) * math.log(float(p)) for p in mean)
    assert float(entropy(log_of_mean(logits))) == pytest.approx(expected, rel=1e-6)
