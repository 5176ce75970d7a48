"""The tensor that reports a CUDA device and keeps its values on the CPU, and the dispatch of its operations."""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from pretended_device import device_rules as rules

CPU = torch.device("cpu")
HALF = (torch.bfloat16, torch.float16)
FROZEN: set[int] = set()
"""Addresses of the memory of weights that never change."""
CASTS: Counter[str] = Counter()
"""Lines that round such a weight to half precision, with how often."""
HERE, ROOT = Path(__file__).parent, Path(__file__).parents[3]


class PretendedTensor(Tensor):
    """A tensor on a pretended GPU; `numbers` is the CPU tensor with its numbers."""

    numbers: Tensor
    has_float64 = True
    """Whether this device has double precision, which Apple's MPS lacks."""

    @staticmethod
    def __new__(cls, numbers: Tensor, device: torch.device) -> PretendedTensor:
        if numbers.dtype is torch.float64 and not cls.has_float64:
            raise TypeError(
                "Cannot convert a MPS Tensor to float64 dtype as the MPS framework doesn't support float64. Please use "
                "float32 instead."
            )
        made: PretendedTensor = torch.Tensor._make_wrapper_subclass(
            cls,
            numbers.shape,
            strides=numbers.stride(),
            storage_offset=numbers.storage_offset(),
            dtype=numbers.dtype,
            layout=numbers.layout,
            device=device,
            requires_grad=False,
        )
        made.numbers = numbers
        return made

    def tolist(self) -> Any:
        """The numbers."""
        return self.numbers.tolist()

    def numpy(self, *_: Any, **__: Any) -> Any:
        """Refused, as on CUDA."""
        raise TypeError(
            f"can't convert {self.device} device type tensor to numpy. Use Tensor.cpu() to copy the tensor to host "
            "memory first."
        )

    __array__ = numpy

    @property
    def data(self) -> Tensor:
        """Tensor without its history; assigning replaces the numbers in place, as `parameter.data = x` does."""
        return self.detach()

    @data.setter
    def data(self, other: Tensor) -> None:
        if not isinstance(other, PretendedTensor) or other.shape != self.shape:
            raise RuntimeError(
                "Attempted to call `variable.set_data(tensor)`, but `variable` and `tensor` have incompatible tensor "
                "type."
            )
        self.numbers = other.numbers

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        with torch._C.DisableTorchFunctionSubclass():
            if func is torch.nn.functional.scaled_dot_product_attention:
                return torch.ops.aten._scaled_dot_product_attention_math(*args, **(kwargs or {}))[0]
            return func(*args, **(kwargs or {}))

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        return dispatch(func, args, kwargs or {})


class PretendedMode(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Makes new tensors and transfers with `device="cuda"` pretended ones; each thread needs one."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # nothing is compiled here, and the switch costs as much as the dispatch

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return dispatch(func, args, kwargs or {})


def dispatch(func: Any, args: Any, kwargs: Any) -> Any:
    """One operation: CUDA's rules, and the result of the CPU."""
    leaves = tree_leaves((args, kwargs))
    pretended = [leaf for leaf in leaves if type(leaf) is PretendedTensor]
    asked = None if kwargs.get("device") is None else _with_index(kwargs["device"])
    if not pretended and (asked is None or asked.type != "cuda"):
        return func(*args, **kwargs)
    name = func._schema.name
    if special := _SPECIAL.get(name):
        return special(func, args, kwargs, asked)
    if name in rules.INDEXING:
        rules.check_indices(args[0], args[1], args[2] if len(args) > 2 else None)
    else:
        rules.check_same_device(func, [leaf for leaf in leaves if isinstance(leaf, Tensor)])
    home = asked or pretended[0].device
    return _on_cpu(func, args, kwargs, home, leaves)


def _on_cpu(func: Any, args: Any, kwargs: Any, home: torch.device, leaves: list[Any]) -> Any:
    """Run an operation on the numbers; results that are one of the inputs stay that tensor."""
    known = {id(leaf.numbers): leaf for leaf in leaves if type(leaf) is PretendedTensor}
    generator = next((leaf for leaf in leaves if isinstance(leaf, torch.Generator)), None)
    stand_in: torch.Generator | None = None
    if generator is not None:
        rules.check_generator(generator, home)
        stand_in = torch.Generator()
        stand_in.set_state(generator.get_state())

    def plain(x: Any) -> Any:
        if type(x) is PretendedTensor:
            return x.numbers
        if isinstance(x, torch.Generator):
            return stand_in
        return CPU if isinstance(x, torch.device) else x

    args, kwargs = tree_map(plain, (args, kwargs))
    if kwargs.get("pin_memory"):
        kwargs["pin_memory"] = False
    out = func(*args, **kwargs)
    if generator is not None and stand_in is not None:
        generator.set_state(stand_in.get_state())

    def wrapped(x: Any) -> Any:
        if not isinstance(x, Tensor) or home.type == "cpu":
            return x
        found = known.get(id(x))
        return PretendedTensor(x, home) if found is None else found

    return tree_map(wrapped, out)


def _copy(func: Any, args: Any, kwargs: Any, _: Any) -> Any:
    func(*(x.numbers if isinstance(x, PretendedTensor) else x for x in args), **kwargs)
    return args[0]


def _to_copy(func: Any, args: Any, kwargs: Any, asked: torch.device | None) -> Any:
    source = args[0]
    home = asked or source.device
    if kwargs.get("dtype") in HALF and memory_of(source) in FROZEN:
        CASTS[_place()] += 1
    kept = {key: value for key, value in kwargs.items() if key not in ("device", "pin_memory", "non_blocking")}
    made = func(source.numbers if isinstance(source, PretendedTensor) else source, **kept)
    return made if home.type == "cpu" else PretendedTensor(made, home)


_SPECIAL: dict[str, Callable[[Any, Any, Any, Any], Any]] = {
    "aten::_local_scalar_dense": lambda func, args, *_: func(args[0].numbers),
    "aten::copy_": _copy,
    "aten::_to_copy": _to_copy,
}


def memory_of(tensor: Tensor) -> int:
    """The address of the memory of a tensor's numbers, which its views share."""
    numbers = tensor.numbers if isinstance(tensor, PretendedTensor) else tensor
    return numbers.untyped_storage().data_ptr()


def _place() -> str:
    """The innermost line of this project outside this folder, such as `methods/coop.py:98`."""
    for frame, line in traceback.walk_stack(None):
        file = Path(frame.f_code.co_filename)
        if file.is_relative_to(ROOT) and "site-packages" not in file.parts and not file.is_relative_to(HERE):
            return f"{file.relative_to(ROOT).as_posix()}:{line}"
    return "elsewhere"


def _with_index(device: Any) -> torch.device:
    found = torch.device(device)
    if found.type == "cuda" and found.index is None:
        return torch.device("cuda", torch.cuda.current_device())
    return found
