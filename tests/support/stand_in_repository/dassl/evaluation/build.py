from dassl.utils import Registry

EVALUATOR_REGISTRY = Registry()


@EVALUATOR_REGISTRY.register
class Classification:
    def reset(self):
        self.right = 0

    def process(self, output, labels):
        self.right += int((output.argmax(dim=1) == labels).sum())
