"""Runs the user's adapter for code that is not built on Dassl, in its own process: `python adapter_side.py JOB.json`.

The adapter is a file with a function `train(task)`. It returns the scores of all test images, `(n, n_classes)`, or a
function `scores(classes)` that is called for each set of classes; see `Task` and `Classes` below. JOB.json is that of
`fork_side.py`, with these further keys. adapter: the file. parts: sets of classes to evaluate. optional:
those that may fail. seed. shots. size: pixels
of a side. template. scores is a folder here, which gets one file for each part.
"""

import json
import os
import random
import runpy
import sys
import traceback

import fork_side
import numpy as np
import torch

MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
"""OpenAI's normalisation."""


class Images(torch.utils.data.Dataset):
    def __init__(self, items, transform):
        self.items, self.transform = items, transform

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        from PIL import Image

        path, label, _ = self.items[index]
        with Image.open(path) as image:
            return self.transform(image.convert("RGB")), label


class Classes:
    """One set of classes with its images.

    Attributes:
        name: all, base or new.
        names: class names in label order.
    """

    def __init__(self, task, name, lists):
        self.task, self.name, self.lists = task, name, lists
        titles = {label: title for part in ("train", "test") for _, label, title in lists[part]}
        self.names = [titles[label] for label in sorted(titles)]

    @property
    def test_loader(self):
        """The test images in our order, by batches of (images, labels)."""
        return self.task.loader(self.lists["test"])


class Task:
    """What an adapter works with: our images, classes and weights.

    Attributes:
        seed, shots: those of the run.
        size: pixels of a side of an image.
        template: the dataset's own template, with `{}` for the class name.
        classes: the training classes.
        device: `cuda` or `cpu`.
    """

    def __init__(self, job, sets):
        self.seed, self.shots, self.size, self.template = job["seed"], job["shots"], job["size"], job["template"]
        self.device = "cuda" if job["cuda"] else "cpu"
        self.sets = {name: Classes(self, name, lists) for name, lists in sets.items()}
        self.classes = self.sets[job["parts"][0]]
        self._clip = None

    @property
    def names(self):
        """Names of the training classes."""
        return self.classes.names

    @property
    def clip(self):
        """The repository's CLIP with our weights, in evaluation mode."""
        if self._clip is None:
            import clip

            loaded = clip.load("ViT-B/16", device=self.device)  # the model, and often its preprocessing or its weights
            found = loaded if isinstance(loaded, tuple) else (loaded,)
            self._clip = next(one for one in found if isinstance(one, torch.nn.Module)).eval()
        return self._clip

    @property
    def plain(self):
        """CLIP's preprocessing."""
        from torchvision import transforms as t

        bicubic = t.InterpolationMode.BICUBIC
        return t.Compose(
            [t.Resize(self.size, interpolation=bicubic), t.CenterCrop(self.size), t.ToTensor(), t.Normalize(MEAN, STD)]
        )

    def augmented(self, scale=(0.08, 1.0)):
        """Random crops of that share of the image, scaled, and flips."""
        from torchvision import transforms as t

        crop = t.RandomResizedCrop(self.size, scale=scale, interpolation=t.InterpolationMode.BICUBIC)
        return t.Compose([crop, t.RandomHorizontalFlip(), t.ToTensor(), t.Normalize(MEAN, STD)])

    def loader(self, items, batch=100, transform=None, shuffle=False):
        return torch.utils.data.DataLoader(Images(items, transform or self.plain), batch_size=batch, shuffle=shuffle)

    def train_loader(self, batch=32, transform=None, shuffle=True):
        """The training images; by default with CLIP's preprocessing."""
        return self.loader(self.classes.lists["train"], batch, transform, shuffle)

    def val_loader(self, batch=100):
        """The few validation images of the training classes."""
        return self.loader(self.classes.lists["val"], batch)

    @property
    def test_loader(self):
        """The test images of the training classes."""
        return self.classes.test_loader


def main(path):
    job = fork_side.prepare(path)
    for seed in (random.seed, np.random.seed, torch.manual_seed):
        seed(job["seed"])
    with open(job["images"]) as file:
        sets = json.load(file)
    task = Task(job, sets)
    fork_side.served.update(sets[job["parts"][0]])
    sys.argv = [job["adapter"]]
    try:
        answer = runpy.run_path(job["adapter"], run_name="adapter")["train"](task)
        for part in job["parts"]:
            classes = task.sets[part]
            if callable(answer):
                try:
                    found = answer(classes)
                except Exception:
                    if part not in job["optional"]:
                        raise
                    traceback.print_exc()
                    continue
            elif len(job["parts"]) == 1:
                found = answer
            else:
                raise TypeError(
                    "train(task) must return a function of the classes, since there are several sets of them"
                )
            scores = torch.as_tensor(found).detach().float().cpu().numpy()
            fork_side.facts["evaluations"].append(
                {"images": len(scores), "classes": scores.shape[-1], "is_test": part == job["parts"][0]}
            )
            np.savez(os.path.join(job["scores"], part + ".npz"), scores=scores)
        fork_side.facts["own_draw"] = False
        code = 0
    except BaseException as error:
        fork_side.facts["error"] = fork_side.noted_error(error)
        traceback.print_exc()
        code = 1
    fork_side.end(code)


if __name__ == "__main__":
    main(sys.argv[1])
