import torch
from torch.optim.lr_scheduler import _LRScheduler


class ConstantWarmup(_LRScheduler):
    """Gives `verbose` to torch, which newer versions no longer accept."""

    def __init__(self, optimizer, successor, warmup, cons_lr, last_epoch=-1, verbose=False):
        self.successor, self.warmup, self.cons_lr = successor, warmup, cons_lr
        super().__init__(optimizer, last_epoch, verbose)

    def get_lr(self):
        if self.last_epoch >= self.warmup:
            return self.successor.get_last_lr()
        return [self.cons_lr for _ in self.base_lrs]

    def step(self, epoch=None):
        if self.last_epoch >= self.warmup:
            self.successor.step(epoch)
            self._last_lr = self.successor.get_last_lr()
        else:
            super().step(epoch)


def build_lr_scheduler(optimizer, optim_cfg):
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, float(optim_cfg.MAX_EPOCH))
    return ConstantWarmup(optimizer, cosine, optim_cfg.WARMUP_EPOCH, min(optim_cfg.WARMUP_CONS_LR, optim_cfg.LR))
