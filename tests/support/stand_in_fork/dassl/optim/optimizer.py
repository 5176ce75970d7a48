import torch

AVAI_OPTIMS = ["adam", "sgd"]


def build_optimizer(model, optim_cfg):
    if optim_cfg.NAME not in AVAI_OPTIMS:
        raise ValueError("optim must be one of %s, but got %s" % (AVAI_OPTIMS, optim_cfg.NAME))
    kind = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}[optim_cfg.NAME]
    return kind(model.parameters(), lr=optim_cfg.LR, weight_decay=optim_cfg.WEIGHT_DECAY)
