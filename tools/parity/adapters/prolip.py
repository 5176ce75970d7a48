"""ProLIP: its own training on stored features; the new classes are tested with its projection."""

import importlib
import sys
from pathlib import Path
from types import ModuleType

import recording_side


def train(task):
    import torch
    import utils

    package = ModuleType("methods")  # its own imports all methods, and with them packages that ProLIP does not need
    package.__path__ = [str(Path(utils.__file__).parent / "methods")]
    sys.modules["methods"] = package
    official = importlib.import_module("methods.ProLIP")
    compute_image_features = official.compute_image_features

    kept, tested = {}, recording_side.scores_without(official)
    recording_side.follow(
        official.VisProjViT, "__init__", lambda _, projection, *args: kept.update(projection=projection)
    )
    texts = {
        name: utils.clip_classifier(part.names, [task.template], task.clip)[-1] for name, part in task.sets.items()
    }
    folder = Path("features_ViTB16_eurosat", f"{task.shots}_shot", "seed1")
    folder.mkdir(parents=True)
    loader = task.train_loader(len(task.classes.lists["train"]), shuffle=False)
    task.stopwatch.start()
    features, labels = compute_image_features(task.clip, loader)
    torch.save(features.float(), folder / "f0.pth")
    torch.save(labels, folder / "label.pth")
    cfg = {
        "train_epoch": task.asked["steps"], "backbone": "ViT-B/16", "root_path": ".", "dataset": "eurosat",
        "aug_views": 1, "search_lr": False, "lr_v": task.asked["lr"], "lambda_funct_1_N": True,
        "lambda_funct_1_N2": False, "lambda_v": 0, "save_checkpoints": False,
    }  # fmt: skip
    state = {"visual.proj": task.clip.visual.proj.detach().clone().float()}
    task.keep_losses()
    first, rest = texts[task.classes.name], (None, None, None)
    official.ProLIP(cfg)(
        None, None, task.test_loader, *(None,) * 4, first, *rest, task.clip, state, task.names, 1, task.shots, "", None
    )
    del tested[:]

    def scores(classes):
        with torch.no_grad():
            found, _ = compute_image_features(task.clip, classes.test_loader)
            projected = torch.nn.functional.normalize(kept["projection"](found), dim=-1)
        return 100 * projected @ texts[classes.name]

    return scores
