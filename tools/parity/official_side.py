"""What official code asks of the world outside: CLIP's weights, a GPU, absent packages, names of older versions.

The repository's own script runs as it is. This file names no repository, trainer or dataset, and imports nothing but
torch and numpy, since it also runs in the repository's own Python.

`job` has these keys. repo: folder of the code. places: folders that its modules are imported from first. path: more
of them. weights: a file with the state dict in OpenAI's names.
"""

import importlib.abc
import importlib.machinery
import importlib.util
import os
import re
import sys
import types

import numpy as np
import torch
from torch.overrides import TorchFunctionMode

job = {}
weights_asked = []
"""Files of CLIP's weights that the code asked for."""


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
        for place in job["places"]:
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
            if not isinstance(getattr(sys.modules.get(top), "__loader__", None), AbsentPackages):
                return None
        elif top in sys.stdlib_module_names or self._is_own(top) or not self._asked_by_repository():
            return None
        return importlib.machinery.ModuleSpec(name, self, is_package=True)

    @staticmethod
    def _is_own(top):
        return any(os.path.exists(os.path.join(place, top + end)) for place in job["places"] for end in ("", ".py"))

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

    def load_trusted(file, *words, **named):
        named["map_location"] = "cpu"
        if "weights_only" in load.__code__.co_varnames:
            named["weights_only"] = False
        return load(weights_for(file), **named)

    def jit_load_or_ours(file, *words, **named):
        file = weights_for(file)
        if getattr(file, "name", file) == job["weights"]:
            return Archive()
        return jit_load(file, *words, **named)

    torch.load, torch.jit.load = load_trusted, jit_load_or_ours
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
            weights_asked.append(name)
            return job["weights"]
    return file


# --- modules of the repository, changed right after they are imported -----------------------------
def give_weights(module):
    """A private copy of OpenAI's clip.py gets our weights."""
    if hasattr(module, "_download") and hasattr(module, "_MODELS"):

        def download(url, *words, **named):
            weights_asked.append(str(url).split("/")[-1])
            return job["weights"]

        module._download = download


def offer_optimisers(module):
    """Dassl gets the optimisers of torch that some authors add to their own Dassl."""
    if module.__name__ != "dassl.optim.optimizer":
        return
    build = module.build_optimizer
    of_torch = {name.lower(): kind for name, kind in vars(torch.optim).items() if isinstance(kind, type)}

    def build_optimizer(model, settings, *words, **named):
        if settings.NAME in module.AVAI_OPTIMS or settings.NAME not in of_torch:
            return build(model, settings, *words, **named)
        parameters = model.parameters() if isinstance(model, torch.nn.Module) else model
        return of_torch[settings.NAME](parameters, lr=settings.LR, weight_decay=settings.WEIGHT_DECAY)

    module.build_optimizer = build_optimizer


after_import = [give_weights, offer_optimisers]
"""What is called with each module of a source file, right after its code ran."""


def watch_imports():
    run = importlib.machinery.SourceFileLoader.exec_module

    def exec_module(self, module):
        run(self, module)
        for change in after_import:
            change(module)

    importlib.machinery.SourceFileLoader.exec_module = exec_module


def prepare():
    """Put everything in its place that the repository's code asks for, once `job` is filled in."""
    stand_in_for_absent_packages()
    restore_removed_names()
    pretend_one_gpu()
    watch_imports()
