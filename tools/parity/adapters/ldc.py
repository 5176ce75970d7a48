"""LDC: its own training loop on our batch of all images, without its crops and its tests."""

from pathlib import Path
from types import SimpleNamespace

import recording_side


def train(task):
    import ldc_train as official
    import torch

    def new_dir(path):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        return path

    official.Tools = SimpleNamespace(print=lambda *_: None, new_dir=new_dir)  # of an absent package
    batch = len(task.classes.lists["train"])
    counted = SimpleNamespace(
        classnames=task.names, template=[task.template], train_x=[None] * batch, val=[None], test=[None]
    )
    config = SimpleNamespace(
        backbone="ViT-B/16", cache_dir=".", dataset_name="eurosat", dataset=counted, num_classes=len(task.names),
        batch_size=batch, train_epoch=task.asked["steps"], loss_lambda=[1.0] * 5, fuse_type=2, lr=0.001,
    )  # fmt: skip
    runner = official.Runner(config)
    runner.train_loader, runner.val_loader, runner.test_loader_list = task.train_loader(batch, shuffle=False), None, []
    for name, parameter in runner.clip_model.named_parameters():
        if parameter.requires_grad:
            task.keep_start(name, parameter)
    recording_side.follow(runner, "get_loss", lambda result, *_: recording_side.keep_loss("loss", result[0]))
    task.stopwatch.start()
    runner.train()
    model = runner.clip_model.eval()
    with torch.no_grad():
        return torch.cat([model.my_forward(images, runner.text_feats)[3] for images, _ in task.test_loader])
