"""LP++: its own method; the logits of the last epoch are recorded where it takes their maximum."""

import recording_side


def train(task):
    import torch
    import utils

    from methods import linear_probe_p2 as official

    batch, n_test, found = len(task.classes.lists["train"]), len(task.classes.lists["test"]), []

    def start(_, optimizer, *args):
        for name, parameter in zip(("weight", "bias"), optimizer.param_groups[0]["params"]):
            task.keep_start(name, parameter)

    recording_side.follow(torch.optim.SGD, "__init__", start)
    recording_side.follow(official, "Variable", lambda alpha, *_: task.keep_start("alpha", alpha[0]))
    recording_side.follow(torch.Tensor, "argmax", lambda _, x, *args: found.append(x) if len(x) == n_test else None)
    task.keep_losses()
    args = {"train_epoch": task.asked["steps"], "shots": task.shots, "dataset": "eurosat", "output_dir": "."}
    test = utils.pre_load_features(
        {"load_pre_feat": False, "cache_dir": ".", "backbone": "ViT-B/16"}, "test", task.clip, task.test_loader
    )
    # no validation image is right, so every epoch is the best so far, and the last is tested
    wrong = [(images, -torch.ones_like(labels)) for images, labels in task.val_loader()]
    task.stopwatch.start()
    official.LinearProbe_P2(args)(
        train_loader=task.train_loader(batch, shuffle=False), val_loader=wrong, test_features=test[0],
        test_labels=test[1], text_weights=utils.clip_classifier(task.names, [task.template], task.clip),
        model=task.clip, classnames=task.names,
    )  # fmt: skip
    return found[-1]
