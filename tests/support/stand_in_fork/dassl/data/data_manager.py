import numpy as np
import torch
from PIL import Image

from dassl.data.datasets import build_dataset
from dassl.utils import print_table


class DatasetWrapper(torch.utils.data.Dataset):
    def __init__(self, cfg, items):
        self.items = items
        self.size = tuple(reversed(cfg.INPUT.SIZE))
        self.mean, self.std = (torch.tensor(one).view(3, 1, 1) for one in (cfg.INPUT.PIXEL_MEAN, cfg.INPUT.PIXEL_STD))

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        item = self.items[index]
        image = Image.open(item.impath).convert("RGB").resize(self.size, Image.BICUBIC)
        pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255
        return {"label": item.label, "impath": item.impath, "img": (pixels - self.mean) / self.std}


class DataManager:
    def __init__(self, cfg):
        self.dataset = dataset = build_dataset(cfg)
        self.num_classes, self.lab2cname = dataset.num_classes, dataset.lab2cname
        workers = cfg.DATALOADER.NUM_WORKERS

        def loader(items, batch, shuffle):
            return torch.utils.data.DataLoader(
                DatasetWrapper(cfg, items), batch_size=batch, shuffle=shuffle, num_workers=workers, pin_memory=True
            )

        self.train_loader_x = loader(dataset.train_x, cfg.DATALOADER.TRAIN_X.BATCH_SIZE, True)
        self.val_loader = loader(dataset.val, cfg.DATALOADER.TEST.BATCH_SIZE, False) if dataset.val else None
        self.test_loader = loader(dataset.test, cfg.DATALOADER.TEST.BATCH_SIZE, False)
        print_table([["Dataset", cfg.DATASET.NAME], ["# test", len(dataset.test)]])
