import os
import time
from collections import OrderedDict

import torch
from torch.utils.tensorboard import SummaryWriter

from dassl.data import DataManager
from dassl.evaluation import build_evaluator


class TrainerBase:
    def __init__(self):
        self._models, self._optims, self._scheds = OrderedDict(), OrderedDict(), OrderedDict()
        self._writer = None

    def register_model(self, name, model, optim, sched):
        self._models[name], self._optims[name], self._scheds[name] = model, optim, sched

    def save_model(self, epoch, directory):
        for name, model in self._models.items():
            folder = os.path.join(directory, name)
            os.makedirs(folder, exist_ok=True)
            path = os.path.join(folder, "model.pth.tar-%d" % (epoch + 1))
            torch.save({"state_dict": model.state_dict(), "epoch": epoch + 1, "optimizer": self._optims[name]}, path)
            print("Checkpoint saved to %s" % path)

    def load_model(self, directory, epoch=None):
        if not directory:
            print("Note that load_model() is skipped as no pretrained model is given")
            return
        for name, model in self._models.items():
            file = "model-best.pth.tar" if epoch is None else "model.pth.tar-%d" % epoch
            path = os.path.join(directory, name, file)
            if not os.path.exists(path):
                raise FileNotFoundError('Model not found at "%s"' % path)
            model.load_state_dict(torch.load(path, map_location="cpu")["state_dict"], strict=False)

    def train(self, start_epoch, max_epoch):
        self.start_epoch, self.max_epoch = start_epoch, max_epoch
        self.before_train()
        for self.epoch in range(self.start_epoch, self.max_epoch):
            self.run_epoch()
            self.after_epoch()
        self.after_train()

    def before_train(self):
        self._writer = SummaryWriter(log_dir=os.path.join(self.output_dir, "tensorboard"))
        self.time_start = time.time()

    def after_epoch(self):
        if self.epoch + 1 == self.max_epoch:
            self.save_model(self.epoch, self.output_dir)

    def after_train(self):
        if not self.cfg.TEST.NO_TEST:
            self.test()
        self._writer.close()
        print("Elapsed: %d s" % (time.time() - self.time_start))


class SimpleTrainer(TrainerBase):
    def __init__(self, cfg):
        super().__init__()
        self.cfg = cfg
        self.device = torch.device("cuda:0" if torch.cuda.is_available() and cfg.USE_CUDA else "cpu")
        self.start_epoch, self.max_epoch = 0, cfg.OPTIM.MAX_EPOCH
        self.output_dir = cfg.OUTPUT_DIR
        self.build_data_loader()
        self.build_model()
        self.evaluator = build_evaluator(cfg, lab2cname=self.lab2cname)

    def build_data_loader(self):
        dm = DataManager(self.cfg)
        self.train_loader_x, self.val_loader, self.test_loader = dm.train_loader_x, dm.val_loader, dm.test_loader
        self.num_classes, self.lab2cname = dm.num_classes, dm.lab2cname
        self.dm = dm

    def train(self):
        super().train(self.start_epoch, self.max_epoch)

    def model_inference(self, images):
        return self.model(images)

    @torch.no_grad()
    def test(self, split=None):
        self.model.eval()
        self.evaluator.reset()
        split = split or self.cfg.TEST.SPLIT
        loader = self.val_loader if split == "val" and self.val_loader is not None else self.test_loader
        for batch in loader:
            images, labels = batch["img"].to(self.device), batch["label"].to(self.device)
            self.evaluator.process(self.model_inference(images), labels)
        results = self.evaluator.evaluate()
        for key, value in results.items():
            if self._writer is not None:
                self._writer.add_scalar("%s/%s" % (split, key), value, self.epoch)
        return results["accuracy"]


class TrainerX(SimpleTrainer):
    def run_epoch(self):
        self.model.train()
        self.num_batches = len(self.train_loader_x)
        for self.batch_idx, batch in enumerate(self.train_loader_x):
            losses = self.forward_backward(batch)
            if self.batch_idx % self.cfg.TRAIN.PRINT_FREQ == 0:
                print("epoch [%d/%d] %s" % (self.epoch + 1, self.max_epoch, losses))
        for scheduler in self._scheds.values():
            scheduler.step()
