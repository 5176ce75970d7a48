"""Wrong commands as people type them, and a folder with what they name."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from fake_runner import make_difficulty, make_predictions, make_record, make_spec
from PIL import Image

from bench.record import RunError, RunStatus
from bench.results.database import fresh_store
from bench.results.shards import Shards
from datasets_registry import DATASETS

RUN = "run -m zero_shot -d spectrum_basic --jobs 0 "
RUN_ON_RAY = "run -m zero_shot -d spectrum_basic --launcher ray "
COOP = "run -m coop -d spectrum_basic --jobs 0 "
ADD = "datasets add birds --images "
FEATURES = "datasets add toy --features features.npz --backbone clip --classes classes.txt "

CHECKED_BY_CODE = [
    "run -m cocoop -d spectrum_basic --jobs 0 --set cocoop.ctx_init='" + "a photo of " * 40 + "'",
    COOP + "--set coop.ctx_init='" + "a photo of " * 40 + "'",
    "run -m vpt -d spectrum_basic --jobs 0 --set vpt.depth=50",
    "run -m ivlp -d spectrum_basic --jobs 0 --set ivlp.text_depth=4",
    "run -m apex -d spectrum_basic --jobs 0 --set apex.visual_depth=5",
    COOP + "--set coop.n_ctx=-1",
    COOP + "--set coop.n_ctx=99999",
    COOP + "--set coop.n_ctx=",
]
"""Wrong commands with a value of a setting, which the method's code checks."""

WRONG = [
    # names of commands and options
    "runn",
    "run",
    "run -d spectrum_basic",
    "run zero_shot spectrum_basic",
    RUN + "--nonsense",
    RUN + "--dry-run=yes",
    RUN + "extra.toml more.toml",
    RUN + "--tracker neptune",
    # methods
    "run -m zero_shoot -d spectrum_basic",
    "run -m '' -d spectrum_basic",
    "run -m 'q*' -d spectrum_basic",
    "run -m coop,,coop -d spectrum_basic",
    "run -m apex_on:nothing -d spectrum_basic",
    "run -m wise_ft_on:zero_shot -d spectrum_basic",
    "run -m tip_adapter -d spectrum_basic --jobs 0",
    # datasets
    "run -m zero_shot -d spectrum_basik",
    "run -m zero_shot -d caltech101 -b ViT-tiny.random",
    "run -m zero_shot -d untested",
    "run -m zero_shot -d eurosat -b ViT-tiny.random --data-root /nowhere",
    "run -m zero_shot -d eurosat -b ViT-tiny.random --data-root file.txt",
    "run -m zero_shot -d spectrum:shift=7",
    "run -m zero_shot -d spectrum:tilt=1",
    # backbones
    RUN + "-b ViT-B-61.openai",
    RUN + "-b ViT-B-16",
    RUN + "-b ViT-B-32=/nowhere.safetensors",
    RUN + "-b ViT-B-32=empty",
    RUN + "-b hf-hub:nothing",
    RUN + "-b local-dir:nowhere",
    "run -m tcp -d spectrum_basic -b roberta-ViT-B-32.laion2b_s12b_b32k --jobs 0",
    "run -m rpo -d spectrum_basic -b ViT-L-14-CLIPA.datacomp1b --jobs 0",
    "backbones ViT-B-61",
    "run -m vpt -d spectrum_basic -b RN50.openai --jobs 0",
    # what has no effect, or is not there
    "methods coop apex",
    "runs list --runs nowhere",
    "runs rebuild --runs pictures",
    "runs verify ok --support empty",
    "models --runs nowhere",
    "export --format latex send mlflow",
    "board build nowhere",
    "papers reproduce apex table-2 --on synthetic -d chmnist",
    "papers reproduce apex -m linear_probe",
    "runs import-predictions file.txt",
    # tuned models
    RUN + "--keep-models some",
    "models --runs file.txt",
    "predict nothing",
    "predict file.txt birds",
    "predict nothing birds --out rows.xlsx",
    "predict nothing birds --top 0",
    "run -m gda -d spectrum_basic --protocol few-shot --jobs 0 --selection oracle --keep-models all",
    # recommendations
    "recommend birdz",
    "recommend spectrum_basic,spectrum_blur",
    "recommend spectrum_basic --budget soon",
    "recommend spectrum_basic --margin 0",
    "recommend spectrum_basic -m nothing",
    "recommend spectrum_basic --final most",
    # numbers
    RUN + "--shots many",
    RUN + "--shots 0",
    RUN + "--shots 16,16",
    RUN + "--shots 8-4",
    COOP + "--shots 4096",
    COOP + "--shots 1-99999999999",
    RUN + "--seeds 1,1",
    RUN + "--seeds 0",
    RUN + "--seeds 3-1",
    COOP + "--seeds 1-99999999999999999999",
    # settings
    COOP + "--set coop.n_ctxx=4",
    COOP + "--set vpt.depth=4",
    COOP + "--set coop.n_ctx",
    COOP + "--set coop.n_ctx=4 --set coop.n_ctx=8",
    COOP + "--set coop.recipe.lr=fast",
    COOP + "--set coop.recipe.lr=1e400",
    COOP + "--set coop.recipe.epochs=1e9999",
    "run -m zero_shot -d spectrum_basic --set zero_shot.recipe.lr=1",
    # protocol, texts, draws
    RUN + "--protocol base2new",
    RUN + "--targets spectrum_blur",
    RUN + "--protocol cross-dataset",
    RUN + "--protocol cross-dataset --targets spectrum_basic",
    RUN + "--draw random",
    RUN + "--draw file:",
    COOP + "--support file.txt",
    COOP + "--support empty",
    RUN + "--class-text poem",
    RUN + "--class-text 'template:a photo'",
    RUN + "--class-text 'template:{} {}'",
    "run -m zero_shot -d untested -b ViT-tiny.random --protocol base-to-new --jobs 0",
    "run -m zero_shot -d named_twice -b ViT-tiny.random --jobs 0 --protocol few-shot",
    RUN + "--class-text variant:nobody",
    RUN + "--class-text ensemble:all",
    RUN + "--class-text descriptions:file.txt",
    RUN + "--selection best",
    # machines and folders
    RUN + "--runner nosuch",
    RUN + "--device gpu",
    RUN + "--device cuda",
    RUN + "--device all",
    RUN + "--device mps",
    RUN + "--precision tf32",
    RUN + "--jobs-per-gpu 0",
    RUN_ON_RAY + "--device mps --precision bf16",
    RUN + "--precision fp16",
    RUN + "--jobs -1",
    RUN + "--retries often",
    RUN + "--timeout 0",
    RUN + "--launcher kubernetes",
    RUN + "--partition gpu",
    RUN + "--log loud",
    RUN + "--runs file.txt",
    RUN + "--cache file.txt",
    "run nowhere.toml",
    "run broken.toml",
    "run unknown.toml",
    "run wrong.toml",
    # demo
    "demo --runs file.txt",
    # looking at runs
    "runs show",
    "runs show zzzz",
    "compare coop nobody",
    "compare coop coop --shots x",
    "runs verify failed",
    "runs verify ok --device gpu",
    "status --watch 0",
    "leaderboard --protocol zero-shot-ish",
    "leaderboard --h geometric",
    "leaderboard --runs file.txt",
    "papers claims --runs file.txt",
    "runs sql 'select 1' --runs file.txt",
    "report --runs file.txt",
    "papers claims --file nowhere.toml",
    "papers published --list cats",
    "papers published --margin wide",
    "papers reproduce",
    "papers reproduce apexx",
    "papers reproduce broken.toml",
    "papers reproduce apex table-22",
    "papers reproduce apex table-2 --on real",
    "papers reproduce apex table-2 --on synthetic -m apexx",
    "papers reproduce apex --on synthetic -d eurosatt",
    # pages and tables
    "report --h geometric",
    "report --source rumours",
    "report --source published --out file.txt/below.html",
    "report --out file.txt",
    "export --format docx",
    "export --format parquet",
    "export --out empty",
    "export --format latex --out file.txt/below.tex",
    # bundles and queries
    "runs sql 'delete from runs'",
    "runs sql \"select * from read_csv('/etc/passwd')\"",
    "runs sql \"copy runs to 'runs.csv'\"",
    "runs sql 'select 1; select 2'",
    "runs import nowhere.zip",
    "runs export b.zip --where 'seed > 99'",
    "runs export empty",
    # datasets
    "datasets nowhere",
    "datasets check --sample -1",
    "datasets fetch eurosat",
    "datasets fetch eurosat --data-root file.txt --yes",
    "datasets fetch spectrum_basic --data-root empty",
    "datasets draw spectrum_basic --shots 4096",
    "datasets draw spectrum_basic --draw random",
    "datasets draw spectrum_basic --out empty",
    "datasets add pictures",
    ADD + "nowhere",
    ADD + "pictures --name crow=jay",
    ADD + "empty",
    ADD + "one",
    ADD + "absent.csv",
    ADD + "pictures --min-images 100",
    ADD + "pictures --name crow",
    ADD + "pictures --name raven=Raven",
    ADD + "broken",
    ADD + "broken --skip-broken",
    ADD + "nolabel.csv",
    ADD + "twice.csv",
    ADD + "outside.csv",
    ADD + "mixed.csv",
    ADD + "pictures --template 'a bird'",
    ADD + "pictures --split by-hand",
    ADD + "parts --split hash",
    ADD + "pictures --column path=file",
    ADD + "pictures --root .",
    "datasets add Birds! --images pictures",
    "datasets add ../birds --images pictures",
    # features, cache, methods
    "datasets add x --features nowhere.npz --backbone b --classes classes.txt",
    FEATURES,
    FEATURES + "--array train=train_features",
    FEATURES + "--array train",
    FEATURES + "--images pictures",
    ADD + "pictures --logit-scale 10",
    "datasets add x --features features.npz --backbone b",
    "datasets add x --features features.npz --backbone b --classes nowhere.txt",
    "doctor cache clear --keep 'a lot'",
    "doctor cache list --cache file.txt",
    "methods nobody",
    "methods coop --backbone nowhere",
    "methods new 2fast",
    "methods new fast --family magic",
    "methods check nobody",
    # given twice, empty, and what is in the way: others are in tests/bench/cli/test_named_causes.py
    COOP + "--draw coop --draw nested",
    "datasets --json --json",
    "board submit lab --who Lab --contact lab@example.org --notes ''",
    "predict nothing ''",
    "datasets draw spectrum_basic --shots 1 --out draw.csv",
]


def work_in(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in that folder, which is also the home. The catalogue is read first, so without its own datasets."""
    list(DATASETS)
    monkeypatch.chdir(place)
    for name in ("ETL_BENCH_CACHE", "ETL_BENCH_DATA", "ETL_BENCH_DATASETS"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(place))


def fill_place(folder: Path) -> dict[str, str]:
    """Runs, pictures, and files of the wrong kind in the folder; returns the id of a run by its status."""
    shards = Shards(folder / "runs")
    for seed in (1, 2):
        shards.write(make_record(make_spec(seed=seed)), [make_predictions("base"), make_predictions("new")])
    error = RunError(kind="E", message="m", traceback="t")
    shards.write(make_record(make_spec(seed=3), status=RunStatus.FAILED, scores=[], cost=None, error=error))
    shards.difficulties.write("ViT-demo.drawn", "spectrum_a", make_difficulty())
    fresh_store(folder / "runs")
    for parent in ("pictures", "parts/train", "parts/val", "parts/test"):
        for label, name in enumerate(("crow", "gull", "jay")):
            (folder / parent / name).mkdir(parents=True)
            for i in range(8):
                picture = Image.new("RGB", (4, 4), (label * 80, i * 20, len(parent) * 9))
                picture.save(folder / parent / name / f"{i}.png")
    for source, name in (("crow", "sea gull"), ("gull", "sea_gull")):
        shutil.copytree(folder / "pictures" / source, folder / "colour" / name)
    shutil.copytree(folder / "pictures" / "crow", folder / "one" / "crow")
    for bird in ("ant", "bee", "crow", "gull"):
        for part in ("train", "test") if bird in ("crow", "gull") else ("train",):
            shutil.copytree(folder / "pictures" / "crow", folder / "half" / part / bird)
    (folder / "empty").mkdir()
    for name in ("crow", "gull"):
        (folder / "broken" / name).mkdir(parents=True)
        (folder / "broken" / name / "0.png").write_bytes(b"")
    own = folder / "etl-bench-datasets"
    own.mkdir()
    half = f'images = "{folder / "half"}"\nsplit = "given"\nclasses = ["ant", "bee", "crow", "gull"]\n'
    (own / "untested.toml").write_text(half)
    (own / "named_twice.toml").write_text(half + 'template = "a {} and {}"\n')
    for name, text in {
        "file.txt": "some text\n",
        "broken.toml": "methods = [",
        "unknown.toml": "metods = ['coop']\n",
        "wrong.toml": "methods = ['coop']\ndatasets = ['spectrum_basic']\nshots = 'few'\n",
        "words.toml": "just some words\n",
        "float_seeds.toml": "methods = ['coop']\ndatasets = ['spectrum_basic']\nseeds = 3.0\n",
        "absent.csv": "path,label\nnowhere.png,crow\nnowhere2.png,gull\n",
        "outside.csv": "path;label\n/nowhere/1.png;crow\n/nowhere/2.png;gull\n",
        "mixed.csv": "path\tlabel\n/nowhere/1.png\tcrow\npictures/gull/1.png\tgull\n",
        "broken.safetensors": "no tensors, and no header\n",
        "nolabel.csv": "path,colour\npictures/crow/0.png,black\n",
        "twice.csv": "path,label\npictures/crow/0.png,crow\npictures/crow/0.png,gull\n",
        "features.npz": "PK no archive\n",
        "classes.txt": "crow\ngull\n",
        "some_absent.csv": "path,label\ncolour/sea gull/1.png,a\ncolour/sea gull/2.png,b\ncolour/sea_gull/99.png,b\n",
        "quoted.csv": 'path,label\n"colour/sea gull/1.png,a\n',
        "two_labels.csv": "path,label\ncolour/sea gull/1.png,a|b\n",
    }.items():
        (folder / name).write_text(text)
    return ids_by_status(folder / "runs")


def ids_by_status(runs: Path) -> dict[str, str]:
    """The id of a run by its status, for commands that name `ok` or `failed`."""
    shards = Shards(runs)
    return {str(shards.status(run_id)): run_id for run_id in shards.scan()}
