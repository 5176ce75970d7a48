"""Runs a job of the harness on official code, and keeps what a comparison needs: draw, start, losses and logits.

It stands in the place of `fork_side.py` and `adapter_side.py`, which lie beside it in `shipped/`, and imports no more
than they do. `comparison.json` beside it has `root` (EuroSAT in CoOp's layout, for the repository's own draw), `out`
(folder of the recordings), `draws` (whether its own draw is recorded), `order`
and `kept` (attributes of the trainer: the images of each step of an epoch, and what is recorded after the training) and
what an adapter needs. Each process writes
one `.npz` file, which also has the time of the training.
"""

import copy
import json
import random
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "shipped"))

import adapter_side  # noqa: E402
import fork_side  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
from stopwatch import Stopwatch, warm_up  # noqa: E402

asked = json.loads((HERE / "comparison.json").read_text())
arrays = {}
"""What is recorded, by name: `init/NAME`, `loss/NAME`, `logits`, `logits_before`, `optim`, and lists of images."""
losses = {}
order = {}
"""The images of each step, by their numbers in the list of training images, for each training and epoch."""
stopwatch = Stopwatch()


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
def serve(name, known):
    """The dataset class of the harness; the repository's own class draws first, for the comparison of the draws."""
    made = shipped_serve(name, known)
    start = made.__init__

    def init(self, cfg):
        if asked["draws"]:
            keep_draw(cfg)
        start(self, cfg)

    def keep_draw(cfg):
        own = copy.deepcopy(cfg)
        own.defrost()
        own.DATASET.ROOT = asked["root"]
        drawn = known(own)
        for part, items in (("train", drawn.train_x), ("val", drawn.val or []), ("test", drawn.test)):
            arrays[part + "_images"] = ["/".join(Path(item.impath).parts[-2:]) for item in items]
            arrays[part + "_labels"] = [item.label for item in items]

    made.__init__ = init
    return made


def watch(trainer):
    """Record the settings, the start, the logits before the training, and the losses of every step."""
    shipped_watch(trainer)
    optim = {key: value for key, value in trainer.cfg.OPTIM.items() if isinstance(value, (str, int, float))}
    arrays.setdefault("optim", json.dumps(optim))
    for name, parameter in trainer.model.named_parameters():
        if parameter.requires_grad:
            keep_start(name, parameter)
    if "--eval-only" in fork_side.job["argv"]:
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

    def forward_backward(*args, **named):
        running.append(step)
        try:
            if asked["order"] and len(running) == 1:
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
    if asked["order"] == "impath":
        places = {path: i for i, (path, _, _) in enumerate(fork_side.served["train"])}
        images = [places[path] for path in batch["impath"]]
    else:
        images = value_of(trainer, asked["order"])[trainer.batch_idx]
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
    fork_side.close_evaluation()
    found = fork_side.results.pop()
    fork_side.facts["evaluations"].pop()
    vars(trainer).clear()
    vars(trainer).update(kept)
    for restore, state in zip((random.setstate, np.random.set_state, torch.set_rng_state), randomness):
        restore(state)
    return found


# --- adapters ---------------------------------------------------------------------------------------
class Task(adapter_side.Task):
    """The task of an adapter, which also takes what an adapter records."""

    asked = asked
    keep_start = staticmethod(keep_start)
    stopwatch = stopwatch

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


def end(code):
    scores = Path(fork_side.job["scores"])
    if scores.is_dir():
        for file in scores.glob("*.npz"):
            with np.load(file) as stored:
                arrays["logits/" + file.stem] = stored["scores"]
    elif fork_side.results:
        arrays["logits"] = fork_side.results[-1]
    arrays.update(losses)
    if order:
        arrays["order"] = json.dumps(list(order.values()))
    for name in asked["kept"] if "--eval-only" not in fork_side.job["argv"] else ():
        arrays["kept/" + name] = value_of(fork_side.trainers[-1], name).cpu().numpy()
    if (seconds := stopwatch.seconds()) is not None:
        arrays["seconds"] = seconds
    np.savez(Path(asked["out"], scores.stem + ".npz"), **{name: np.asarray(value) for name, value in arrays.items()})
    shipped_end(code)


sys.modules["recording_side"] = sys.modules["__main__"]
shipped_serve, shipped_watch, shipped_end = fork_side.serve, fork_side.watch, fork_side.end
fork_side.serve, fork_side.watch, fork_side.end, adapter_side.Task = serve, watch, end, Task

if __name__ == "__main__":
    job_file = sys.argv[1]
    warm_up()
    (adapter_side if "adapter" in json.loads(Path(job_file).read_text()) else fork_side).main(job_file)
