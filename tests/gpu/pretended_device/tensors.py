"""The tensor that reports a CUDA device and keeps its values on the CPU, and the dispatch of its operations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from pretended_device import device_rules as rules
from pretended_device.counts import COUNTS, place

CPU = torch.device("cpu")
HALF = (torch.bfloat16, torch.float16)
FLASH = 1
"""torch's number of the attention kernel that it prefers on the CPU."""


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

    def __repr__(self, *, tensor_contents: Any = None) -> str:  # type: ignore[override]
        return f"PretendedTensor({self.numbers!r}, device='{self.device}')"

    def tolist(self) -> Any:
        """The numbers; the processor waits for them."""
        COUNTS.add(COUNTS.waits, place())
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
                return _attention(*args, **(kwargs or {}))
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
    """One operation: CUDA's rules, the counters, and the result of the CPU."""
    leaves = list(_leaves((args, kwargs)))
    pretended = [leaf for leaf in leaves if type(leaf) is PretendedTensor]
    asked = None if kwargs.get("device") is None else _with_index(kwargs["device"])
    if not pretended and (asked is None or asked.type != "cuda"):
        return func(*args, **kwargs)
    name = func._schema.name
    if special := _SPECIAL.get(name):
        return special(func, args, kwargs, asked)
    if name in rules.INDEXING:
        _index(args)
    else:
        rules.check_same_device(func, [leaf for leaf in leaves if isinstance(leaf, Tensor)])
    home = asked or pretended[0].device
    _count(func, name, home, leaves)
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

    args, kwargs = _mapped(plain, args), _mapped(plain, kwargs)
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

    return _mapped(wrapped, out)


def _leaves(x: Any) -> Iterator[Any]:
    """Everything in nested tuples, lists and dictionaries."""
    for part in x.values() if isinstance(x, dict) else x:
        if isinstance(part, tuple | list | dict):
            yield from _leaves(part)
        else:
            yield part


def _mapped(change: Callable[[Any], Any], x: Any) -> Any:
    """The same nested tuples, lists and dictionaries with every leaf changed."""
    if isinstance(x, tuple | list):
        return type(x)([_mapped(change, part) for part in x])
    if isinstance(x, dict):
        return {key: _mapped(change, part) for key, part in x.items()}
    return change(x)


def _count(func: Any, name: str, home: torch.device, leaves: list[Any]) -> None:
    if rules.starts_kernel(func):
        COUNTS.add(COUNTS.operations, place())
        COUNTS.add(COUNTS.by_name, name)
    if name in rules.WAITING:
        COUNTS.add(COUNTS.waits, place())
    draws = torch.Tag.nondeterministic_seeded in func.tags and home.type == "cuda"
    if draws and not any(isinstance(leaf, torch.Generator) for leaf in leaves):
        COUNTS.add(COUNTS.unseeded, place())


def _index(args: Any) -> None:
    target, indices, value = args[0], args[1], args[2] if len(args) > 2 else None
    rules.check_indices(target, indices, value)
    if target.device.type == "cpu":
        return
    for index in indices:
        if index is None:
            continue
        if index.device.type == "cpu":
            COUNTS.add(COUNTS.pageable, place())
        elif index.dtype in (torch.bool, torch.uint8):
            COUNTS.add(COUNTS.waits, place())


def _item(func: Any, args: Any, *_: Any) -> Any:
    COUNTS.add(COUNTS.waits, place())
    return func(args[0].numbers)


def _copy(func: Any, args: Any, kwargs: Any, _: Any) -> Any:
    target, source = args[0], args[1]
    _count_transfer(source, target.device, blocking=not (args[2] if len(args) > 2 else kwargs.get("non_blocking")))
    func(*(x.numbers if isinstance(x, PretendedTensor) else x for x in args), **kwargs)
    return target


def _to_copy(func: Any, args: Any, kwargs: Any, asked: torch.device | None) -> Any:
    source = args[0]
    home = asked or source.device
    _count_transfer(source, home, blocking=not kwargs.get("non_blocking"))
    if kwargs.get("dtype") in HALF and memory_of(source) in COUNTS.frozen:
        COUNTS.add(COUNTS.casts, place())
    kept = {key: value for key, value in kwargs.items() if key not in ("device", "pin_memory", "non_blocking")}
    made = func(source.numbers if isinstance(source, PretendedTensor) else source, **kept)
    return made if home.type == "cpu" else PretendedTensor(made, home)


_SPECIAL: dict[str, Callable[[Any, Any, Any, Any], Any]] = {
    "aten::_local_scalar_dense": _item,
    "aten::copy_": _copy,
    "aten::_to_copy": _to_copy,
}


def memory_of(tensor: Tensor) -> int:
    """The address of the memory of a tensor's numbers, which its views share."""
    numbers = tensor.numbers if isinstance(tensor, PretendedTensor) else tensor
    return numbers.untyped_storage().data_ptr()


def _count_transfer(source: Tensor, home: torch.device, *, blocking: bool) -> None:
    if source.device.type == "cuda" and home.type == "cuda":
        COUNTS.add(COUNTS.operations, place())
        COUNTS.add(COUNTS.by_name, "aten::copy_")
    elif home.type == "cpu":
        if blocking:
            COUNTS.add(COUNTS.waits, place())
    elif not getattr(source, "pretended_pinned", False):
        COUNTS.add(COUNTS.pageable, place())
    else:
        COUNTS.add(COUNTS.pinned, place())
        if blocking:
            COUNTS.add(COUNTS.waits, place())


def _attention(
    query: Any, key: Any, value: Any, attn_mask: Any = None, dropout_p: float = 0.0, is_causal: bool = False,
    **options: Any,
) -> Any:  # fmt: skip
    """Attention as one operation, as CUDA's fused kernels are, with the kernel that the CPU takes for these tensors."""
    if attn_mask is not None and attn_mask.dtype == torch.bool:
        masked = attn_mask.logical_not()
        attn_mask = torch.zeros_like(attn_mask, dtype=query.dtype).masked_fill_(masked, float("-inf"))
    given = [query, key, value] + ([] if attn_mask is None else [attn_mask])
    written_out = torch.ops.aten._scaled_dot_product_attention_math
    if not all(type(x) is PretendedTensor and x.device == query.device for x in given):
        return written_out(query, key, value, attn_mask, dropout_p, is_causal, **options)[0]  # refuses them
    q, k, v, *mask = (x.numbers for x in given)
    fits = not dropout_p and not (mask and attn_mask.requires_grad) and options.keys() <= {"scale"}
    if fits and torch._fused_sdp_choice(q, k, v, mask[0] if mask else None, 0.0, is_causal, **options) == FLASH:
        fused = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
        return fused(query, key, value, 0.0, is_causal, attn_mask=attn_mask, **options)[0]
    return written_out(query, key, value, attn_mask, dropout_p, is_causal, **options)[0]


def _with_index(device: Any) -> torch.device:
    found = torch.device(device)
    if found.type == "cuda" and found.index is None:
        return torch.device("cuda", torch.cuda.current_device())
    return found
