"""Runs official code in a process of its own, and keeps what a comparison needs: `python recording_side.py JOB.json`.

The code gets our images, draw and weights, and its numbers are kept: start, losses and logits. This file runs in the
repository's own Python, and imports nothing but torch, numpy and the two files beside it.

JOB.json has the keys of `official_side.job`, and these. images: a file with lists of [path, label, class name] by class
set (all, base, new) and part (train, val, test). argv: the script of a trainer of Dassl and its arguments; or adapter:
a file with a function `train(task)`. It returns the scores of all test images, `(n, n_classes)`, or a function
`scores(classes)` that is called for each class set; see `Task` and `Classes`. It comes with `seed`, `shots`, `size`
(pixels of a side) and `template`. out: the `.npz` file to write, which also has the time of the training. root:
EuroSAT in CoOp's layout, for the repository's own draw, which is recorded with `draws`. order and kept: attributes of
the trainer, the images of each step of an epoch, and what is recorded after the training. threads.
"""

import contextlib
import copy
import functools
import json
import os
import pdb
import random
import runpy
import sys
import traceback
from pathlib import Path

import numpy as np
import official_side
import torch
from official_side import job
from stopwatch import Stopwatch, warm_up

MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
"""OpenAI's normalisation."""
arrays = {}
"""What is recorded, by name: `init/NAME`, `loss/NAME`, `logits`, `logits_before`, `optim`, and lists of images."""
losses = {}
order = {}
"""The images of each step, by their numbers in the list of training images, for each training and epoch."""
stopwatch = Stopwatch()
served = {}
"""The lists of the class set that is trained or tested."""
trainers, results, batches = [], [], []
"""Trainers, scores of all test images, and the batches of an evaluation that has not ended."""
leave = os._exit


def follow(owner, name, then):
    """Let `owner.name` be followed by `then(result, *args)`, once where it calls itself, as torch's functions may."""
    function, running = getattr(owner, name), []

    def both(*args, **named):
        running.append(name)
        try:
            result = function(*args, **named)
        finally:
            running.pop()
        if not running:
            then(result, *args)
        return result

    setattr(owner, name, both)


def keep_start(name, tensor):
    arrays.setdefault("init/" + name, tensor.detach().clone().cpu().numpy())


def keep_loss(name, value):
    losses.setdefault("loss/" + name, []).append(float(value))


# --- trainers of Dassl ------------------------------------------------------------------------------
def record_dassl(module):
    """Let Dassl have our images, and record its trainers and evaluations; called after each import."""
    if module.__name__ == "dassl.engine.build":
        build = module.build_trainer

        def build_trainer(*words, **named):
            trainer = build(*words, **named)
            watch(trainer)
            return trainer

        module.build_trainer = build_trainer
    if hasattr(module, "DATASET_REGISTRY") and module.__name__.endswith("datasets.build"):
        module.check_availability = lambda *words: None
        replace_get(module.DATASET_REGISTRY, lambda name, get: serve(class_of(name, get)))
    if hasattr(module, "EVALUATOR_REGISTRY") and module.__name__.endswith("evaluation.build"):
        replace_get(module.EVALUATOR_REGISTRY, lambda name, get: recording(get(name)))


def replace_get(registry, change):
    get = registry.get
    registry.get = lambda name: change(name, get)


def class_of(name, get):
    """The repository's class for a dataset; a plain one if it has only settings for it."""
    from dassl.data.datasets import DatasetBase

    try:
        return get(name)
    except KeyError:
        return type(name, (DatasetBase,), {})


def serve(known):
    """The repository's dataset class with our lists; the class itself draws first, for the comparison of the draws."""
    from dassl.data.datasets import DatasetBase, Datum

    def start(self, cfg):
        if job["draws"]:
            keep_draw(cfg)
        sets = json.loads(Path(job["images"]).read_text())
        part = str(getattr(cfg.DATASET, "SUBSAMPLE_CLASSES", "all"))
        served.update(sets[part])
        made = {
            key: [Datum(impath=path, label=label, classname=title) for path, label, title in sets[part][key]]
            for key in ("train", "val", "test")
        }
        DatasetBase.__init__(self, train_x=made["train"], val=made["val"] or None, test=made["test"])

    def keep_draw(cfg):
        own = copy.deepcopy(cfg)
        own.defrost()
        own.DATASET.ROOT = job["root"]
        drawn = known(own)
        for part, items in (("train", drawn.train_x), ("val", drawn.val or []), ("test", drawn.test)):
            arrays[part + "_images"] = ["/".join(Path(item.impath).parts[-2:]) for item in items]
            arrays[part + "_labels"] = [item.label for item in items]

    return type(known.__name__, (known,), {"__init__": start})


def recording(kind):
    """The evaluator's class, which also keeps the scores that it is given."""

    class Recording(kind):
        def reset(self):
            close_evaluation()
            return super().reset()

        def process(self, output, labels, *words, **named):
            batches.append((output.detach().float().cpu().clone(), labels.detach().cpu().clone()))
            return super().process(output, labels, *words, **named)

    Recording.__name__ = kind.__name__
    return Recording


def close_evaluation():
    """Keep the scores of an evaluation if it saw all of our test images in our order."""
    if batches and served:
        scores, labels = (torch.cat(parts) for parts in zip(*batches))
        if labels.tolist() == [label for _, label, _ in served["test"]]:
            results.append(scores.numpy())
    batches.clear()


def watch(trainer):
    """Record the settings, the start, the logits before the training, and the losses of every step."""
    trainers.append(trainer)
    optim = {key: value for key, value in trainer.cfg.OPTIM.items() if isinstance(value, (str, int, float))}
    arrays.setdefault("optim", json.dumps(optim))
    for name, parameter in trainer.model.named_parameters():
        if parameter.requires_grad:
            keep_start(name, parameter)
    if "--eval-only" in sys.argv:
        return
    arrays["logits_before"] = logits_before(trainer)
    running = []
    for name in [name for name in dir(trainer) if name.startswith("forward_backward")]:
        setattr(trainer, name, recorded(trainer, getattr(trainer, name), running))
    trainer.test = stopwatch.pausing(trainer.test)
    train = trainer.train

    def timed(*args, **named):
        stopwatch.start()
        return train(*args, **named)

    trainer.train = timed


def recorded(trainer, step, running):
    """A step that keeps its images and its losses, the first one also as `first`; once where one step calls another."""

    @functools.wraps(step)
    def forward_backward(*args, **named):
        running.append(step)
        try:
            if job["order"] and len(running) == 1:
                keep_images(trainer, *args)
            summary = step(*args, **named)
        finally:
            running.pop()
        if not running:
            for i, (name, value) in enumerate(summary.items()):
                keep_loss(name, value)
                if not i:
                    keep_loss("first", value)
        return summary

    return forward_backward


def keep_images(trainer, batch):
    """Keep the images of a step."""
    if job["order"] == "impath":
        places = {path: i for i, (path, _, _) in enumerate(served["train"])}
        images = [places[path] for path in batch["impath"]]
    else:
        images = value_of(trainer, job["order"])[trainer.batch_idx]
    order.setdefault((id(trainer), trainer.epoch), []).append([int(i) for i in images])


def value_of(owner, name):
    """The attribute of that name, which may have points."""
    for part in name.split("."):
        owner = getattr(owner, part)
    return owner


def logits_before(trainer):
    """The test logits of a copy of the model, so that nothing is left behind for the training."""
    kept, randomness = dict(vars(trainer)), (random.getstate(), np.random.get_state(), torch.get_rng_state())
    trainer.model = copy.deepcopy(trainer.model).eval()  # the trainer sets the mode of the original only
    trainer.test()
    close_evaluation()
    scores = results.pop()
    vars(trainer).clear()
    vars(trainer).update(kept)
    for restore, state in zip((random.setstate, np.random.set_state, torch.set_rng_state), randomness):
        restore(state)
    return scores


# --- adapters ---------------------------------------------------------------------------------------
class Images(torch.utils.data.Dataset):
    """The images of a list with CLIP's preprocessing."""

    def __init__(self, items, size):
        from torchvision import transforms as t

        self.items, bicubic = items, t.InterpolationMode.BICUBIC
        resize = t.Resize(size, interpolation=bicubic)
        self.transform = t.Compose([resize, t.CenterCrop(size), t.ToTensor(), t.Normalize(MEAN, STD)])

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        from PIL import Image

        path, label, _ = self.items[index]
        with Image.open(path) as image:
            return self.transform(image.convert("RGB")), label


class Classes:
    """One class set with its images: its name (all, base or new), and the class names in label order."""

    def __init__(self, task, name, lists):
        self.task, self.name, self.lists = task, name, lists
        titles = {label: title for part in ("train", "test") for _, label, title in lists[part]}
        self.names = [titles[label] for label in sorted(titles)]

    @property
    def test_loader(self):
        """The test images in our order, by batches of (images, labels)."""
        return self.task.loader(self.lists["test"], 100)


class Task:
    """What an adapter works with: our images, classes and weights, and what it records.

    Attributes:
        asked: the job, with the steps, the rate and further settings of the comparison.
        template: the dataset's own template, with `{}` for the class name.
        classes: the training classes.
    """

    asked = job
    keep_start = staticmethod(keep_start)
    stopwatch = stopwatch

    def __init__(self):
        self.seed, self.shots, self.size, self.template = job["seed"], job["shots"], job["size"], job["template"]
        sets = json.loads(Path(job["images"]).read_text())
        self.sets = {name: Classes(self, name, lists) for name, lists in sets.items()}
        self.classes = next(iter(self.sets.values()))
        self.names = self.classes.names

    @functools.cached_property
    def clip(self):
        """The repository's CLIP with our weights, in evaluation mode."""
        import clip

        loaded = clip.load("ViT-B/16", device="cpu")  # the model, and often its preprocessing or its weights
        parts = loaded if isinstance(loaded, tuple) else (loaded,)
        return next(part for part in parts if isinstance(part, torch.nn.Module)).eval()

    def loader(self, items, batch, shuffle=False):
        return torch.utils.data.DataLoader(Images(items, self.size), batch_size=batch, shuffle=shuffle)

    def train_loader(self, batch, shuffle):
        return self.loader(self.classes.lists["train"], batch, shuffle)

    def val_loader(self):
        """The few validation images of the training classes."""
        return self.loader(self.classes.lists["val"], 100)

    @property
    def test_loader(self):
        """The test images of the training classes."""
        return self.classes.test_loader

    def keep_losses(self):
        """Record every cross-entropy from here on."""
        follow(torch.nn.functional, "cross_entropy", lambda loss, *_: keep_loss("loss", loss))


def scores_without(*modules):
    """Let `cls_acc` of these modules only keep its scores; its line fails with numpy 2.4. Returns the list."""
    tested = []

    def cls_acc(output, target, topk=1):
        tested.append(output.detach().clone())
        # the small term lets an epoch whose accuracy is 0 be the best so far
        return 100 * float((output.argmax(dim=1) == target).float().mean()) + 1e-6

    for module in modules:
        module.cls_acc = cls_acc
    return tested


def run_adapter():
    """Train, and keep the scores of each class set as `logits/NAME`."""
    for seed in (random.seed, np.random.seed, torch.manual_seed):
        seed(job["seed"])
    task = Task()
    served.update(task.classes.lists)
    sys.argv = [job["adapter"]]
    answer = runpy.run_path(job["adapter"], run_name="adapter")["train"](task)
    for name, classes in task.sets.items():
        scores = answer(classes) if callable(answer) else answer
        arrays["logits/" + name] = torch.as_tensor(scores).detach().float().cpu().numpy()


# --- the process ------------------------------------------------------------------------------------
def run_trainer():
    """Run the author's script, and keep the scores of its last evaluation of all test images as `logits`."""
    sys.argv = list(job["argv"])
    with contextlib.suppress(SystemExit):  # the scores say whether it was done
        runpy.run_path(sys.argv[0], run_name="__main__")
    close_evaluation()
    if not results:  # some authors do not test after the training
        trainers[-1].test()
        close_evaluation()
    arrays["logits"] = results[-1]


def write():
    if not official_side.weights_asked:
        raise ValueError("The code never asked for CLIP's weights, so it did not use ours.")
    arrays.update(losses)
    if order:
        arrays["order"] = json.dumps(list(order.values()))
    for name in job["kept"] if "--eval-only" not in sys.argv else ():
        arrays["kept/" + name] = value_of(trainers[-1], name).cpu().numpy()
    if (seconds := stopwatch.seconds()) is not None:
        arrays["seconds"] = seconds
    np.savez(job["out"], **{name: np.asarray(value) for name, value in arrays.items()})


def main(job_file):
    job.update(json.loads(Path(job_file).read_text()))
    torch.set_num_threads(job["threads"])
    warm_up()
    sys.path[0:1] = [*job["places"], *job["path"]]
    official_side.after_import.append(record_dassl)
    official_side.prepare()
    pdb.set_trace = sys.breakpointhook = lambda *words, **named: None  # some authors left a breakpoint
    os._exit = sys.exit  # some authors leave this way, before anything could be written
    code = 0
    try:
        run_adapter() if "adapter" in job else run_trainer()
        write()
    except BaseException:
        traceback.print_exc()
        code = 1
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(ValueError):  # some authors close it before they leave
            stream.flush()
    leave(code)  # at once: threads of the author's would go on, and last functions may call stand-ins


if __name__ == "__main__":
    sys.modules["recording_side"] = sys.modules["__main__"]
    main(sys.argv[1])
