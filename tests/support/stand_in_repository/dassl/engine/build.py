from dassl.utils import Registry

TRAINER_REGISTRY = Registry()


def build_trainer(cfg):
    return TRAINER_REGISTRY.get(cfg.TRAINER)(cfg)
