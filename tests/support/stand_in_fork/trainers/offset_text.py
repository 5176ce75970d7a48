"""Adds one trained vector to the text features of all classes; without training it is zero-shot CLIP."""

import comet_ml
import torch
from clip import clip
from dassl.engine import TRAINER_REGISTRY, TrainerX
from dassl.optim import build_lr_scheduler, build_optimizer
from torch import nn
from torch.nn import functional as F

CUSTOM_TEMPLATES = {"EuroSAT": "a centered satellite photo of {}.", "DescribableTextures": "{} texture."}


def load_clip_to_cpu(cfg):
    url = clip._MODELS[cfg.MODEL.BACKBONE.NAME]
    model_path = clip._download(url)
    try:
        model = torch.jit.load(model_path, map_location="cpu").eval()
        state_dict = None
    except RuntimeError:
        state_dict = torch.load(model_path, map_location="cpu")
    return clip.build_model(state_dict or model.state_dict())


class CustomCLIP(nn.Module):
    def __init__(self, cfg, classnames, clip_model):
        super().__init__()
        template = CUSTOM_TEMPLATES[cfg.DATASET.NAME]
        prompts = clip.tokenize([template.format(name.replace("_", " ")) for name in classnames])
        with torch.no_grad():
            texts = clip_model.cuda().encode_text(prompts.cuda())
        self.register_buffer("texts", F.normalize(texts.float(), dim=-1), persistent=False)
        self.image_encoder, self.logit_scale, self.dtype = clip_model.visual, clip_model.logit_scale, clip_model.dtype
        self.offset = nn.Parameter(torch.zeros(texts.shape[1], device="cuda:0"))

    def forward(self, image):
        features = F.normalize(self.image_encoder(image.type(self.dtype)).float(), dim=-1)
        texts = F.normalize(self.texts + self.offset, dim=-1)
        return self.logit_scale.exp() * features @ texts.t()


@TRAINER_REGISTRY.register()
class OffsetText(TrainerX):
    def build_model(self):
        cfg = self.cfg
        assert cfg.TRAINER.OFFSET.PREC in ("fp16", "fp32")
        clip_model = load_clip_to_cpu(cfg)
        if cfg.TRAINER.OFFSET.PREC == "fp32":
            clip_model.float()
        self.model = CustomCLIP(cfg, self.dm.dataset.classnames, clip_model)
        for name, parameter in self.model.named_parameters():
            parameter.requires_grad_("offset" in name)
        self.model.to(self.device)
        self.optim = build_optimizer(self.model, cfg.OPTIM)
        self.sched = build_lr_scheduler(self.optim, cfg.OPTIM)
        self.register_model("offset_learner", self.model, self.optim, self.sched)
        self.experiment = comet_ml.Experiment(project_name="offset")

    def forward_backward(self, batch):
        image, label = batch["img"].to(self.device), batch["label"].to(self.device)
        loss = F.cross_entropy(self.model(image), label) + self.cfg.TRAINER.OFFSET.W * self.model.offset.square().sum()
        self.optim.zero_grad()
        loss.backward()
        self.optim.step()
        self.experiment.log_metric("loss", loss.item())
        return {"loss": loss.item()}
