"""Runs one command of an unmodified Dassl repository in a process of its own: `python fork_side.py JOB.json`.

The repository's own script runs as `__main__` with the author's arguments. What it asks of the world outside is
answered here: images, CLIP's weights, the device, absent packages. This file names no repository, trainer or dataset,
and imports nothing but torch and numpy, since it runs in the repository's own Python.

JOB.json has these keys. repo: folder of the copy. folder: where the script is started, below it. argv: script and
arguments. path: more folders for imports. images: file with lists of [path, label, class name] by class set (all, base,
new) and part (train, val, test). weights: state dict in OpenAI's names. cuda: whether a GPU may be used. threads.
epochs: the most epochs, for trials; absent otherwise. fill: folders with files that authors forget to commit. scores:
npz file to write. facts: JSON file to write, always.
"""

import contextlib
import functools
import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import pdb
import re
import runpy
import sys
import time
import traceback
import types

import numpy as np
import torch
from torch.overrides import TorchFunctionMode

job = {}
facts = {
    "stand_ins": [],
    "filled_in": [],
    "weights_asked": [],
    "evaluations": [],
    "other_images": 0,
    "full_precision": False,
    "own_draw": None,
    "trained_values": 0,
    "last_loss": None,
    "torch": torch.__version__,
}
leave = os._exit
started = time.time()


def own_places():
    """Folders of the repository from which its script imports: the script's own first, as Python does it."""
    folder = os.path.join(job["repo"], job["folder"])
    scripts = [os.path.dirname(os.path.join(folder, word)) for word in job["argv"][:1]]
    return list(dict.fromkeys(os.path.normpath(place) for place in (*scripts, folder, job["repo"])))


# --- packages that are absent ---------------------------------------------------------------------
ONLY_LOG = {
    "gdown", "tabulate", "tensorboard", "tensorboardX", "wandb", "mlflow", "thop", "matplotlib", "seaborn", "wilds",
    "yagmail", "comet_ml", "nvitop", "gpustat", "prettytable", "termcolor", "colorama",
}  # fmt: skip
"""Packages that only download, log, print or draw. Their stand-ins do nothing; others refuse to be called."""


class AbsentPackageError(ImportError):
    """An absent package is called, so its stand-in cannot take its place."""


class StandIn:
    """A name of an absent package."""

    def __init__(self, name):
        self.__dict__["_name"] = name

    def __getattr__(self, key):
        if key.startswith("__"):
            raise AttributeError(key)
        return StandIn(self._name + "." + key)

    def __call__(self, *words, **named):
        if self._name.split(".")[0] in ONLY_LOG:
            return self
        raise AbsentPackageError("the absent package is called: " + self._name, name=self._name.split(".")[0])

    def __mro_entries__(self, bases):
        return (object,)

    def __iter__(self):
        return iter(())

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return None


class OwnFolders(importlib.abc.MetaPathFinder):
    """Folders of modules without `__init__.py`: an installed package of the same name would hide them."""

    def find_spec(self, name, path=None, target=None):
        if path is not None or "." in name:
            return None
        for place in own_places():
            folder = os.path.join(place, name)
            files = os.listdir(folder) if os.path.isdir(folder) else []
            if "__init__.py" not in files and any(file.endswith(".py") for file in files):
                spec = importlib.machinery.ModuleSpec(name, None, is_package=True)
                spec.submodule_search_locations = [folder]
                return spec
            if files or os.path.isfile(folder + ".py"):
                return None  # the usual finders take it from here
        return None


class AbsentPackages(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """The last finder: what the repository imports and nobody finds becomes a stand-in, and its name is recorded."""

    def find_spec(self, name, path=None, target=None):
        top, _, rest = name.partition(".")
        if rest:
            for folder in job.get("fill", ()):
                file = os.path.join(folder, *name.split(".")) + ".py"
                if os.path.isfile(file):
                    facts["filled_in"].append(name)
                    return importlib.util.spec_from_file_location(name, file)
            if not isinstance(getattr(sys.modules.get(top), "__loader__", None), AbsentPackages):
                return None
        elif top in sys.stdlib_module_names or self._is_own(top) or not self._asked_by_repository():
            return None
        facts["stand_ins"].append(name)
        return importlib.machinery.ModuleSpec(name, self, is_package=True)

    @staticmethod
    def _is_own(top):
        return any(os.path.exists(os.path.join(place, top + end)) for place in own_places() for end in ("", ".py"))

    @staticmethod
    def _asked_by_repository():
        """Whether one of the two nearest callers outside the import system is a file of the repository or of Dassl."""
        frame, left = sys._getframe(1), 2
        while frame is not None and left:
            file = frame.f_code.co_filename
            if "importlib" not in file and file != __file__:
                if file.startswith(job["repo"]) or "dassl" in file or not os.path.isabs(file):
                    return True
                left -= 1
            frame = frame.f_back
        return False

    def create_module(self, spec):
        module = types.ModuleType(spec.name)
        module.__path__ = []

        def missing(key):
            if key.startswith("__"):
                raise AttributeError(key)
            return StandIn(spec.name + "." + key)

        module.__getattr__ = missing
        return module

    def exec_module(self, module):
        return None


def stand_in_for_absent_packages():
    finder = AbsentPackages()
    sys.meta_path.insert(0, OwnFolders())
    sys.meta_path.append(finder)
    if importlib.util.find_spec("tensorboard") is None:  # torch's own wrapper imports it
        spec = importlib.machinery.ModuleSpec("torch.utils.tensorboard", finder)
        sys.modules[spec.name] = StandInModule(spec.name)


class StandInModule(types.ModuleType):
    def __getattr__(self, key):
        if key.startswith("__"):
            raise AttributeError(key)
        return StandIn("tensorboard." + key)


# --- no GPU: every call with a CUDA device gets the CPU, and half precision becomes fp32 ----------
def on_the_cpu(value):
    if value is torch.float16:
        facts["full_precision"] = True
        return torch.float32
    if (isinstance(value, torch.device) and value.type == "cuda") or (
        isinstance(value, str) and re.match(r"cuda(:\d+)?$", value)
    ):
        return torch.device("cpu")
    return value


class OnTheCpu(TorchFunctionMode):
    """Most calls name neither a device nor a type, so they pass unchanged."""

    def __torch_function__(self, function, kinds, words=(), named=None):
        for word in words:
            if isinstance(word, (str, torch.device, torch.dtype)):
                words = tuple(map(on_the_cpu, words))
                break
        return function(*words, **{key: on_the_cpu(value) for key, value in (named or {}).items()})


def pretend_one_gpu():
    move = torch.nn.Module.to

    def to(self, *words, **named):
        return move(self, *map(on_the_cpu, words), **{key: on_the_cpu(value) for key, value in named.items()})

    torch.nn.Module.to = to
    for name in (
        "synchronize",
        "empty_cache",
        "reset_peak_memory_stats",
        "set_device",
        "manual_seed",
        "manual_seed_all",
    ):
        setattr(torch.cuda, name, lambda *words, **named: None)
    for name in (
        "max_memory_allocated",
        "memory_allocated",
        "max_memory_reserved",
        "memory_reserved",
        "current_device",
    ):
        setattr(torch.cuda, name, lambda *words, **named: 0)
    torch.cuda.device_count = lambda: 1

    def in_full_precision(self, *words, **named):
        facts["full_precision"] = True
        return self.float()

    # methods that copies of torch's own functions call while the mode is off
    torch.Tensor.half = torch.nn.Module.half = in_full_precision
    torch.Tensor.cuda = torch.nn.Module.cuda = lambda self, *words, **named: self
    OnTheCpu().__enter__()


# --- names that newer versions of torch, numpy and setuptools have removed ------------------------
def restore_removed_names():
    scheduler = getattr(torch.optim.lr_scheduler, "LRScheduler", None)
    if scheduler is not None:
        start = scheduler.__init__

        def init(self, optimizer, last_epoch=-1, verbose=None):
            start(self, optimizer, last_epoch)

        scheduler.__init__ = init
    for kind in ("flash", "mem_efficient"):  # attention as older torch has it: it can be differentiated twice
        getattr(torch.backends.cuda, "enable_" + kind + "_sdp", lambda on: None)(False)
    load, jit_load = torch.load, torch.jit.load
    place = {} if torch.cuda.is_available() else {"map_location": "cpu"}

    def load_trusted(file, *words, **named):
        named = dict(place, **named)
        if "weights_only" in load.__code__.co_varnames:
            named["weights_only"] = False
        if place:
            named["map_location"], words = "cpu", ()
        return load(weights_for(file), *words, **named)

    def jit_load_or_ours(file, *words, **named):
        file = weights_for(file)
        if getattr(file, "name", file) == job["weights"]:
            return Archive()
        return jit_load(file, *words, **named)

    torch.load, torch.jit.load = load_trusted, jit_load_or_ours
    if not torch.cuda.is_available():
        loader = torch.utils.data.DataLoader
        make = loader.__init__

        def in_this_process(self, *words, **named):
            for key in ("num_workers", "persistent_workers", "prefetch_factor", "pin_memory"):
                named.pop(key, None)
            make(self, *words[:5], **named)  # the sixth argument is the number of workers

        loader.__init__ = in_this_process
    as_array = torch.Tensor.numpy

    def numpy(self, *words, **named):
        array = as_array(self, *words, **named)
        return array.view(OneValue) if array.size == 1 and array.ndim else array

    torch.Tensor.numpy = numpy
    for name, kind in {"int": int, "float": float, "bool": bool, "object": object}.items():
        if name not in np.__dict__:
            setattr(np, name, kind)
    if importlib.util.find_spec("pkg_resources") is None and importlib.util.find_spec("packaging") is not None:
        import packaging.version

        module = types.ModuleType("pkg_resources")
        module.packaging, module.parse_version = packaging, packaging.version.parse
        sys.modules["pkg_resources"] = module


class Archive(torch.nn.Module):
    """Our weights in the place of OpenAI's file, an archive that has them as its state."""

    def state_dict(self, *words, **named):
        return torch.load(job["weights"], map_location="cpu")


class OneValue(np.ndarray):
    """An array of one value, which newer versions of numpy no longer turn into a number."""

    def __float__(self):
        return float(self.item())

    def __int__(self):
        return int(self.item())


def weights_for(file):
    """Our weights where the author loads OpenAI's file from a folder that is not there."""
    if isinstance(file, (str, os.PathLike)) and not os.path.exists(file):
        name = os.path.basename(os.fspath(file))
        if re.match(r"(ViT-|RN\d)[\w@-]+\.pt$", name):
            facts["weights_asked"].append(name)
            return job["weights"]
    return file


# --- modules of the repository, changed right after they are imported -----------------------------
def after_import(module):
    names, name = vars(module), module.__name__
    if "_download" in names and "_MODELS" in names:  # a private copy of OpenAI's clip.py

        def download(url, *words, **named):
            facts["weights_asked"].append(str(url).split("/")[-1])
            return job["weights"]

        module._download = download
    if name == "dassl":
        module.__path__.extend(os.path.join(folder, "dassl") for folder in job.get("fill", ()))
    elif name == "dassl.optim.optimizer":
        module.build_optimizer = with_optimisers_of_torch(module)
    elif name == "dassl.engine.build":
        build = module.build_trainer

        def build_trainer(*words, **named):
            trainer = build(*words, **named)
            watch(trainer)
            return trainer

        module.build_trainer = build_trainer
    elif name == "dassl.engine.trainer" and job.get("epochs"):
        train = module.TrainerBase.train

        def train_briefly(self, start, stop):
            stop = self.max_epoch = min(stop, start + job["epochs"])
            train(self, start, stop)

        module.TrainerBase.train = train_briefly
    if "DATASET_REGISTRY" in names and name.endswith("datasets.build"):
        module.check_availability = lambda *words: None
        replace_get(names["DATASET_REGISTRY"], lambda name, get: serve(name, class_of(name, get)))
    if "EVALUATOR_REGISTRY" in names and name.endswith("evaluation.build"):
        replace_get(names["EVALUATOR_REGISTRY"], lambda name, get: recording(get(name)))


def replace_get(registry, change):
    get = registry.get
    registry.get = lambda name: change(name, get)


def with_optimisers_of_torch(module):
    """Optimisers that some authors add to their own Dassl."""
    build = module.build_optimizer
    of_torch = {name.lower(): kind for name, kind in vars(torch.optim).items() if isinstance(kind, type)}

    def build_optimizer(model, settings, *words, **named):
        if settings.NAME in module.AVAI_OPTIMS or settings.NAME not in of_torch:
            return build(model, settings, *words, **named)
        parameters = model.parameters() if isinstance(model, torch.nn.Module) else model
        return of_torch[settings.NAME](parameters, lr=settings.LR, weight_decay=settings.WEIGHT_DECAY)

    return build_optimizer


def watch_imports():
    run = importlib.machinery.SourceFileLoader.exec_module

    def exec_module(self, module):
        run(self, module)
        after_import(module)

    importlib.machinery.SourceFileLoader.exec_module = exec_module


# --- images ---------------------------------------------------------------------------------------
served = {}


def class_of(name, get):
    """The repository's class for a dataset; a plain one if it has only settings for it."""
    from dassl.data.datasets import DatasetBase

    try:
        return get(name)
    except KeyError:
        return type(name, (DatasetBase,), {})


def serve(name, known):
    """The repository's dataset of that name with our lists; its class keeps what it knows by name."""
    from dassl.data.datasets import DatasetBase, Datum

    def start(self, cfg):
        with open(job["images"]) as file:
            sets = json.load(file)
        part = str(getattr(cfg.DATASET, "SUBSAMPLE_CLASSES", "all"))
        if part not in sets:
            raise ValueError(f"the command asks for the classes {part!r}, and the job has {', '.join(sets)}")
        served.update(sets[part])
        made = {
            key: [Datum(impath=path, label=label, classname=title) for path, label, title in sets[part][key]]
            for key in ("train", "val", "test")
        }
        DatasetBase.__init__(self, train_x=made["train"], val=made["val"] or None, test=made["test"])

    return type(known.__name__, (known,), {"__init__": start})


def watch_images():
    """Count the images that are read and are not ours."""
    try:
        from PIL import Image
    except ImportError:
        return
    open_image = Image.open
    known = set()

    def watched(file, *words, **named):
        if isinstance(file, (str, os.PathLike)) and served:
            if not known:
                known.update(item[0] for key in ("train", "val", "test") for item in served[key])
            facts["other_images"] += os.fspath(file) not in known
        return open_image(file, *words, **named)

    Image.open = watched


# --- training and evaluation ----------------------------------------------------------------------
trainers, results, batches = [], [], []


def watch(trainer):
    """Note what is trained, on which images, and the losses."""
    trainers.append(trainer)
    if served:
        used = [[item.impath, item.label] for item in trainer.dm.dataset.train_x]
        facts["own_draw"] = used != [[path, label] for path, label, _ in served["train"]]
    models = [trainer.model] if hasattr(trainer, "model") else list(getattr(trainer, "_models", {}).values())
    facts["trained_values"] += sum(p.numel() for model in models for p in model.parameters() if p.requires_grad)
    step = trainer.forward_backward

    @functools.wraps(step)
    def forward_backward(*words, **named):
        summary = step(*words, **named)
        if isinstance(summary, dict) and summary:
            value = summary.get("loss", next(iter(summary.values())))
            facts["last_loss"] = float(value)
        return summary

    trainer.forward_backward = forward_backward


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
    if not batches or not served:
        batches.clear()
        return
    scores, labels = (torch.cat(parts) for parts in zip(*batches))
    batches.clear()
    is_test = labels.tolist() == [label for _, label, _ in served["test"]]
    facts["evaluations"].append({"images": len(labels), "classes": scores.shape[1], "is_test": is_test})
    if is_test:
        results.append(scores.numpy())


def noted_error(error):
    """An exception and those that led to it: kind, text, the module or file that is missing, and the places passed."""
    found, seen = [], set()
    while error is not None and id(error) not in seen and len(found) < 10:
        seen.add(id(error))
        kind, text = type(error), str(error)[:2000]
        name = kind.__name__ if kind.__module__ in ("builtins", __name__) else kind.__module__ + "." + kind.__name__
        one = {"kind": name, "text": text, "frames": places_of(error)}
        if isinstance(error, ImportError) and error.name:
            one["module"] = error.name
        if isinstance(error, OSError) and isinstance(error.filename, str):
            one["file"] = below_repository(error.filename)
        found.append(one)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return found


def places_of(error):
    """The last places that an exception passed, without those of this file and of the import system."""
    found = []
    for frame in traceback.extract_tb(error.__traceback__):
        file = frame.filename
        if file != __file__ and not file.startswith("<") and os.path.basename(file) != "runpy.py":
            adapter = file == job.get("adapter")
            file = os.path.basename(file) if adapter else below_repository(os.path.abspath(file))
            found.append({"file": file, "line": frame.lineno, "own": not os.path.isabs(file)})
    return found[-20:]


def below_repository(file):
    start = job["repo"] + os.sep
    return file[len(start) :].replace(os.sep, "/") if file.startswith(start) else file


def write_facts():
    facts["seconds"] = round(time.time() - started, 3)
    with open(job["facts"], "w") as file:
        json.dump(facts, file)


def prepare(path):
    """Read the job, and put everything in its place that the repository's code asks for; returns the job."""
    with open(path) as file:
        job.update(json.load(file))
    torch.set_num_threads(job["threads"])
    os.chdir(os.path.join(job["repo"], job["folder"]))
    sys.path[0:1] = [*own_places(), *job["path"]]
    stand_in_for_absent_packages()
    restore_removed_names()
    if not job["cuda"]:
        pretend_one_gpu()
    watch_imports()
    watch_images()
    pdb.set_trace = sys.breakpointhook = lambda *words, **named: None  # some authors left a breakpoint
    os._exit = sys.exit  # some authors leave this way, before anything could be written
    return job


def main(path):
    prepare(path)
    sys.argv = list(job["argv"])
    code = 0
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
        close_evaluation()
        if not results and trainers:  # some authors do not test after the training
            trainers[-1].test()
    except SystemExit as error:
        if error.code:  # the scores say whether it was done
            facts["error"] = noted_error(error)
    except BaseException as error:
        facts["error"] = noted_error(error)
        traceback.print_exc()
        code = 1
    close_evaluation()
    if results and not code:
        np.savez(job["scores"], scores=results[-1])
    end(code if results or code else 3)


def end(code):
    """Write the facts and end at once: threads of the author's would go on, and last functions may call stand-ins."""
    write_facts()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(ValueError):  # some authors close it before they leave
            stream.flush()
    leave(code)


if __name__ == "__main__":
    main(sys.argv[1])
