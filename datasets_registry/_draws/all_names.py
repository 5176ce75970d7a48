"""Base and new test images, both classified among the names of all classes."""

from dataclasses import replace

from datasets_registry._types import ClassSet, EvalSplit


def among_all_names(base: EvalSplit, new: EvalSplit) -> tuple[EvalSplit, EvalSplit]:
    """The same images of both splits with the classes of both, base classes first; labels are positions among all.

    Example:
        >>> from datasets_registry import DrawRule, EvalProtocol, TaskRequest, build_task, get_dataset
        >>> info = get_dataset("spectrum_basic")
        >>> protocol, draw = EvalProtocol.BASE_TO_NEW, DrawRule.COOP
        >>> request = TaskRequest(info, info.reader(None), protocol, shots=2, seed=1, draw=draw)
        >>> task = build_task(request)
        >>> base, new = among_all_names(task.eval("base"), task.eval("new"))
        >>> len(base.classes), max(sample.label for sample in base.samples), min(sample.label for sample in new.samples)
        (24, 11, 12)
    """
    one, other = base.classes, new.classes
    sentences = None if one.sentences is None or other.sentences is None else (*one.sentences, *other.sentences)
    classes = ClassSet((*one.names, *other.names), one.template, sentences, one.dataset)
    moved = tuple(replace(sample, label=sample.label + len(one)) for sample in new.samples)
    return replace(base, classes=classes), replace(new, samples=moved, classes=classes)
