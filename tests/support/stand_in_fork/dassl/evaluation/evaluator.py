from collections import OrderedDict

from .build import EVALUATOR_REGISTRY


class EvaluatorBase:
    def __init__(self, cfg):
        self.cfg = cfg


@EVALUATOR_REGISTRY.register()
class Classification(EvaluatorBase):
    def __init__(self, cfg, lab2cname=None, **named):
        super().__init__(cfg)
        self._lab2cname = lab2cname
        self._correct = self._total = 0

    def reset(self):
        self._correct = self._total = 0

    def process(self, mo, gt):
        self._correct += int(mo.max(1)[1].eq(gt).sum())
        self._total += gt.shape[0]

    def evaluate(self):
        found = OrderedDict(accuracy=100.0 * self._correct / self._total)
        print("=> result\n* total: %d\n* accuracy: %.1f%%" % (self._total, found["accuracy"]))
        return found
