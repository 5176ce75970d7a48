"""CLIP-LoRA: its own training and evaluation."""

import sys

import recording_side


def train(task):
    sys.argv = ["main.py"]
    import lora
    import run_utils
    import torch
    from datasets import eurosat

    class Data:
        def __init__(self, classes):
            self.classnames, self.template = classes.names, eurosat.template  # not that of CoOp

    tested, kept = recording_side.scores_without(lora), {}
    evaluate = lora.evaluate_lora
    lora.evaluate_lora = lambda args, model, loader, data: kept.update(model=model) or 0.0

    def start(_, model):
        for name, parameter in model.named_parameters():
            if parameter.requires_grad:
                task.keep_start(name, parameter)
        task.stopwatch.start()

    recording_side.follow(lora, "mark_only_lora_as_trainable", start)
    task.keep_losses()
    args = run_utils.get_arguments()
    args.seed, args.shots, args.n_iters = task.seed, task.shots, task.asked["steps"] / task.shots
    args.dropout_rate = 1e-12  # it drops nothing; with 0, the official layers lose a part of the gradient
    loader = task.train_loader(len(task.classes.lists["train"]), shuffle=False)
    lora.run_lora(args, task.clip, 100, Data(task.classes), loader, task.val_loader(), task.test_loader)

    def scores(classes):
        tested.clear()
        evaluate(args, kept["model"], classes.test_loader, Data(classes))
        return 100 * torch.cat(tested)  # it tests cosines, without the scale

    return scores
