import argparse

import datasets.dtd  # noqa: F401
import datasets.eurosat  # noqa: F401
import torch
import trainers.offset_text  # noqa: F401
from dassl.config import Node, default_settings
from dassl.engine import build_trainer
from dassl.utils import set_random_seed, setup_logger


def print_args(args, cfg):
    print("** Arguments **")
    for key in sorted(vars(args)):
        print("%s: %s" % (key, getattr(args, key)))
    print("** Config **")
    print(cfg)


def reset_cfg(cfg, args):
    if args.root:
        cfg.DATASET.ROOT = args.root
    if args.output_dir:
        cfg.OUTPUT_DIR = args.output_dir
    if args.seed:
        cfg.SEED = args.seed
    if args.trainer:
        cfg.TRAINER.NAME = args.trainer


def extend_cfg(cfg):
    """Keys that Dassl does not know."""
    cfg.TRAINER.OFFSET = Node()
    cfg.TRAINER.OFFSET.W = 1.0
    cfg.TRAINER.OFFSET.PREC = "fp16"
    cfg.DATASET.SUBSAMPLE_CLASSES = "all"


def setup_cfg(args):
    cfg = default_settings()
    extend_cfg(cfg)
    if args.dataset_config_file:
        cfg.merge_from_file(args.dataset_config_file)
    if args.config_file:
        cfg.merge_from_file(args.config_file)
    reset_cfg(cfg, args)
    cfg.merge_from_list(args.opts)
    cfg.freeze()
    return cfg


def main(args):
    cfg = setup_cfg(args)
    if cfg.SEED >= 0:
        print("Setting fixed seed: %d" % cfg.SEED)
        set_random_seed(cfg.SEED)
    setup_logger(cfg.OUTPUT_DIR)
    if torch.cuda.is_available() and cfg.USE_CUDA:
        torch.backends.cudnn.benchmark = True
    print_args(args, cfg)
    trainer = build_trainer(cfg)
    if args.eval_only:
        trainer.load_model(args.model_dir, epoch=args.load_epoch)
        trainer.test()
        return
    if not args.no_train:
        trainer.train()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--root", type=str, default="", help="path to datasets")
    parser.add_argument("--output-dir", type=str, default="", help="output directory")
    parser.add_argument("--seed", type=int, default=-1, help="a positive number fixes the seed")
    parser.add_argument("--config-file", type=str, default="")
    parser.add_argument("--dataset-config-file", type=str, default="")
    parser.add_argument("--trainer", type=str, default="")
    parser.add_argument("--eval-only", action="store_true")
    parser.add_argument("--model-dir", type=str, default="")
    parser.add_argument("--load-epoch", type=int)
    parser.add_argument("--no-train", action="store_true")
    parser.add_argument("opts", default=None, nargs=argparse.REMAINDER)
    main(parser.parse_args())
