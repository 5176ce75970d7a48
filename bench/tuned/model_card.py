"""The card of a tuned model: a short Markdown file for people. Loads no torch."""

from pathlib import Path

from bench.tuned.model_info import ModelInfo

SHOWN_CLASSES = 20


def model_card(info: ModelInfo, path: Path) -> str:
    """Describes the model, its scores, its training and its use."""
    spec = info.spec
    return "\n".join(
        [
            f"# {spec.method} on {spec.dataset}",
            "",
            f"A tuned CLIP classifier for {len(info.classes.names)} classes: {_classes(info)}.",
            "",
            "| | |",
            "|---|---|",
            *(f"| {name} | {value} |" for name, value in _facts(info).items()),
            "",
            "## Scores on test images",
            "",
            "| split | accuracy | calibration error | images | classes |",
            "|---|---|---|---|---|",
            *(
                f"| {s.split} | {100 * s.accuracy:.2f} % | {100 * s.ece:.2f} % | {s.n} | {s.n_classes} |"
                for s in info.scores
            ),
            "",
            "Nothing about this model was chosen on test images. The calibration error is before temperature scaling.",
            "",
            "## Use",
            "",
            "```bash",
            f"etl-bench predict {path.name} IMAGES --out predictions.csv",
            "```",
            "",
        ]
    )


def _classes(info: ModelInfo) -> str:
    names = info.classes.names
    more = f" and {len(names) - SHOWN_CLASSES} more" if len(names) > SHOWN_CLASSES else ""
    return ", ".join(names[:SHOWN_CLASSES]) + more


def _facts(info: ModelInfo) -> dict[str, str]:
    spec, made, calibration = info.spec, info.provenance, info.calibration
    settings = ", ".join(f"{key}={value}" for key, value in spec.config.items()) or "none"
    recipe = ", ".join(f"{key}={value}" for key, value in (spec.recipe or {}).items()) or "no training"
    return {
        "run": info.run_id,
        "backbone": f"{spec.backbone}, digest {info.backbone_digest}",
        "task": f"{spec.protocol}, {spec.shots} shots, seed {spec.seed}, {info.support_images} training images",
        "template": info.classes.template,
        "settings": settings,
        "recipe": recipe,
        "other classes": "can be added at prediction" if info.open_vocabulary else "need new training",
        "temperature": _temperature(info),
        "unlike anything seen": _novelty(info),
        "validation": "no validation images"
        if info.validation_accuracy is None
        else f"accuracy {100 * info.validation_accuracy:.2f} % on {calibration.n} images",
        "code": f"etl-bench {made.package_version}, method {made.method_digest[:12]}, commit {made.git_commit or '?'}",
        "made": f"{info.created_at:%Y-%m-%d}, {spec.precision} on {made.device}, torch {made.packages.get('torch')}",
    }


def _temperature(info: ModelInfo) -> str:
    c = info.calibration
    if c.source == "uncalibrated":
        return "1, uncalibrated: there were no validation images"
    return f"{c.temperature:.4g}, fitted to {c.n} validation images"


def _novelty(info: ModelInfo) -> str:
    n = info.novelty
    if n is None:
        return "no score: there were no images to set a threshold"
    return (
        f"{n.kind} above {n.threshold:.4g}, set by {n.n} {n.source} images for at most "
        f"{100 * n.false_alarm_rate:.3g} % false alarms"
    )
