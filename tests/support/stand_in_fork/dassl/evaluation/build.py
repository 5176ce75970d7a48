from dassl.utils import Registry

EVALUATOR_REGISTRY = Registry("EVALUATOR")


def build_evaluator(cfg, **named):
    return EVALUATOR_REGISTRY.get(cfg.TEST.EVALUATOR)(cfg, **named)
