"""Wrong commands as people type them, and a folder with what they name."""

from __future__ import annotations

import shutil
from pathlib import Path

from fake_runner import make_difficulty, make_predictions, make_record, make_spec
from PIL import Image

from bench.record import RunError, RunStatus
from bench.results.shards import Shards
from bench.store import fresh_store

RUN = "run -m zero_shot -d spectrum_basic --jobs 0 "
COOP = "run -m coop -d spectrum_basic --jobs 0 "
ADD = "datasets add birds --images "
FEATURES = "features import features.npz --name toy --backbone clip --classes classes.txt "

WRONG = [
    # names of commands and options
    "runn",
    "run",
    "run -m",
    "run -m zero_shot",
    "run -d spectrum_basic",
    "run zero_shot spectrum_basic",
    RUN + "--nonsense",
    RUN + "--seed 1",
    RUN + "--epochs 5",
    RUN + "--lr 0.01",
    RUN + "--dataset spectrum_basic",
    RUN + "--dry-run=yes",
    RUN + "extra.toml more.toml",
    # methods
    "run -m zero_shoot -d spectrum_basic",
    "run -m '' -d spectrum_basic",
    "run -m 'q*' -d spectrum_basic",
    "run -m '<b>x</b>' -d spectrum_basic",
    "run -m ../coop -d spectrum_basic",
    "run -m coop,,coop -d spectrum_basic",
    "run -m apex_on: -d spectrum_basic",
    "run -m apex_on:nothing -d spectrum_basic",
    "run -m apex_on:apex_on:coop -d spectrum_basic",
    "run -m wise_ft_on:zero_shot -d spectrum_basic",
    "run -m tip_adapter -d spectrum_basic --jobs 0",
    # datasets
    "run -m zero_shot -d spectrum_basik",
    "run -m zero_shot -d ''",
    "run -m zero_shot -d ./pictures",
    "run -m zero_shot -d caltech101",
    "run -m zero_shot -d caltech101 -b ViT-tiny.random",
    "run -m zero_shot -d all",
    "run -m zero_shot -d untested",
    "run -m zero_shot -d eurosat -b ViT-tiny.random --data-root /nowhere",
    "run -m zero_shot -d eurosat -b ViT-tiny.random --data-root file.txt",
    "run -m zero_shot -d spectrum:shift=7",
    "run -m zero_shot -d spectrum:shift=",
    "run -m zero_shot -d spectrum:shift=nan",
    "run -m zero_shot -d spectrum:tilt=1",
    "run -m zero_shot -d spectrum_basic:shift=1",
    # backbones
    RUN + "-b ViT-B-61.openai",
    RUN + "-b ViT-B-16",
    RUN + "-b ViT-B/16",
    RUN + "-b ''",
    RUN + "-b ViT-B-16.laion99",
    RUN + "-b ViT-B-32=/nowhere.safetensors",
    RUN + "-b ViT-B-32=empty",
    RUN + "-b ViT-B-32=file.txt,relu",
    RUN + "-b ViT-B-32=file.txt,gelu",
    RUN + "-b ViT-B-32=features.npz,quickgelu",
    RUN + "-b ViT-tiny=broken.safetensors",
    RUN + "-b MobileCLIP-S1.datacompdr",
    RUN + "-b MobileCLIP2-S0.dfndr2b",
    RUN + "-b roberta-ViT-B-32.laion2b_s12b_b32k",
    COOP + "-b ViT-B-16-SigLIP.webli",
    COOP + "-b ViT-L-14-CLIPA.datacomp1b",
    "run -m vpt -d spectrum_basic -b PE-Core-B-16.meta --jobs 0",
    "run -m maple -d spectrum_basic -b MobileCLIP-B.datacompdr --jobs 0",
    "run -m vpt -d spectrum_basic -b RN50.openai --jobs 0",
    # tuned models
    RUN + "--keep-models some",
    "models --runs file.txt",
    "predict",
    "predict nothing",
    "predict nothing birds",
    "predict broken.safetensors birds",
    "predict file.txt birds",
    "predict nothing birds --page",
    "predict nothing birds --resume",
    "predict nothing birds --out rows.xlsx",
    "predict nothing birds --out birds",
    "predict nothing birds --top 0",
    "run -m gda -d spectrum_basic --protocol few-shot --jobs 0 --selection oracle --keep-models all",
    # recommendations
    "recommend",
    "recommend birdz",
    "recommend eurosat",
    "recommend spectrum_basic,spectrum_blur",
    "recommend spectrum_basic --budget soon",
    "recommend spectrum_basic --budget 1s",
    "recommend spectrum_basic --margin 0",
    "recommend spectrum_basic --seeds 0",
    "recommend spectrum_basic --shots 4096",
    "recommend spectrum_basic -m nothing",
    "recommend eurosat -b ViT-B-32.openai --data-root /nowhere",
    # numbers
    RUN + "--shots many",
    RUN + "--shots 0",
    RUN + "--shots -4",
    RUN + "--shots 1.5",
    RUN + "--shots 16,16",
    RUN + "--shots 8-4",
    RUN + "--shots ''",
    COOP + "--shots 4096",
    COOP + "--shots 1-99999999999",
    COOP + "--shots 99999999999999999999",
    RUN + "--seeds 1,1",
    RUN + "--seeds one",
    RUN + "--seeds 0",
    RUN + "--seeds -1",
    RUN + "--seeds 3-1",
    COOP + "--seeds 99999999999999999999",
    COOP + "--seeds 99999999999999999999,",
    COOP + "--seeds 1-99999999999999999999",
    # settings
    COOP + "--set coop.n_ctxx=4",
    "run -m vpt -d spectrum_basic --jobs 0 --set vpt.depth=50",
    "run -m ivlp -d spectrum_basic --jobs 0 --set ivlp.text_depth=4",
    "run -m apex -d spectrum_basic --jobs 0 --set apex.visual_depth=5",
    "run -m cocoop -d spectrum_basic --jobs 0 --set cocoop.ctx_init='" + "a photo of " * 40 + "'",
    COOP + "--set '*.recipe.lr=1e400'",
    COOP + "--set coop.recipe.momentum=1e400",
    COOP + "--set vpt.depth=4",
    COOP + "--set coop.n_ctx=-1",
    COOP + "--set coop.n_ctx=99999",
    COOP + "--set coop.n_ctx",
    COOP + "--set coop.n_ctx=",
    COOP + "--set n_ctx=4",
    COOP + "--set coop.n_ctx=4 --set coop.n_ctx=8",
    COOP + "--set coop.recipe.lr=fast",
    COOP + "--set coop.recipe.lr=1e400",
    COOP + "--set coop.recipe.lr=NaN",
    COOP + "--set coop.recipe.lr=-1",
    COOP + "--set coop.recipe.epochs=0",
    COOP + "--set coop.recipe.epochs=1e9999",
    COOP + "--set coop.ctx_init='" + "a photo of " * 40 + "'",
    "run -m zero_shot -d spectrum_basic --set zero_shot.recipe.lr=1",
    # protocol, texts, draws
    RUN + "--protocol base2new",
    RUN + "--targets spectrum_blur",
    RUN + "--protocol cross-dataset",
    RUN + "--protocol cross-dataset --targets nowhere",
    RUN + "--protocol cross-dataset --targets spectrum_basic",
    RUN + "--draw random",
    RUN + "--draw file:",
    COOP + "--support nowhere.json",
    COOP + "--support file.txt",
    COOP + "--support empty",
    RUN + "--class-text poem",
    RUN + "--class-text 'template:a photo'",
    RUN + "--class-text 'template:a {} and {}'",
    RUN + "--class-text 'template:a {0.real}'",
    RUN + "--class-text 'template:{} {}'",
    "run -m zero_shot -d untested -b ViT-tiny.random --protocol base-to-new --jobs 0",
    "run -m zero_shot -d named_twice -b ViT-tiny.random --jobs 0 --protocol few-shot",
    RUN + "--class-text variant:nobody",
    RUN + "--class-text ensemble:all",
    RUN + "--class-text descriptions:nowhere.json",
    RUN + "--class-text descriptions:empty",
    RUN + "--class-text descriptions:file.txt",
    RUN + "--recipe mine",
    RUN + "--selection best",
    RUN + "--rerun some",
    # machines and folders
    RUN + "--device gpu",
    RUN + "--device cuda:x",
    RUN + "--precision fp16",
    RUN + "--precision fp8",
    RUN + "--jobs -1",
    RUN + "--jobs many",
    RUN + "--retries often",
    RUN + "--timeout 0",
    RUN + "--timeout nan",
    RUN + "--memory -1",
    RUN + "--launcher kubernetes",
    RUN + "--partition gpu",
    RUN + "--log loud",
    RUN + "--runs file.txt",
    RUN + "--runs file.txt/below",
    RUN + "--cache file.txt",
    RUN + "--cache file.txt/below",
    "run nowhere.toml",
    "run empty",
    "run broken.toml",
    "run unknown.toml",
    "run wrong.toml",
    # demo
    "demo --runs file.txt",
    "demo --quick --site file.txt/below",
    "demo --jobs few",
    # looking at runs
    "show",
    "show zzzz",
    "show ''",
    "diff zzzz yyyy",
    "compare coop",
    "compare coop nobody",
    "compare coop coop --shots x",
    "verify zzzz",
    "verify failed",
    "verify ok --device gpu",
    "status --watch 0",
    "leaderboard --protocol zero-shot-ish",
    "leaderboard --shots few",
    "leaderboard --h geometric",
    "leaderboard --runs file.txt",
    "show ok --runs file.txt",
    "status --runs file.txt",
    "claims --runs file.txt",
    "published --runs file.txt",
    "export --runs file.txt",
    "verify ok --runs file.txt",
    "diff ok failed --runs file.txt",
    "compare coop zero_shot --runs file.txt",
    "results sql 'select 1' --runs file.txt",
    "results export b.zip --runs file.txt",
    "results import file.txt --runs file.txt",
    "report --runs file.txt",
    "report --runs file.txt --watch --port 0",
    "claims --file nowhere.toml",
    "claims --file broken.toml",
    "claims --easy spectrum_a",
    "published --list cats",
    "published --shots few",
    "published --margin wide",
    # pages and tables
    "report --h geometric",
    "report --figures coop",
    "report --source rumours",
    "report --out file.txt/below/page.html",
    "report --source published --out file.txt/below.html",
    "report --site file.txt",
    "report --site file.txt/below",
    "report --figures apex --figures-dir file.txt --out page.html",
    "report --watch --out page.html",
    "report --port 99999",
    "report --easy spectrum_a",
    "export x.docx",
    "export --format docx",
    "export --format parquet",
    "export --protocol nowhere",
    "export --out empty",
    "export --out file.txt/below.csv",
    "export --format parquet --out empty",
    "export --format parquet --out file.txt/below.parquet",
    # bundles and queries
    "results sql 'delete from runs'",
    "results sql 'give me the best'",
    "results sql ''",
    "results sql \"select * from read_csv('/etc/passwd')\"",
    "results sql \"copy runs to 'runs.csv'\"",
    "results sql 'select 1; select 2'",
    "results import nowhere.zip",
    "results import file.txt",
    "results import empty",
    "results export b.zip --where 'seed > 99'",
    "results export b.zip --where 'nonsense'",
    "results export empty",
    "results export file.txt/below.zip",
    "results rebuild --runs file.txt",
    # datasets
    "datasets nowhere",
    "datasets check nowhere",
    "datasets check --sample -1",
    "datasets fetch",
    "datasets fetch nowhere --data-root empty",
    "datasets fetch eurosat",
    "datasets fetch eurosat --data-root file.txt --yes",
    "datasets fetch spectrum_basic --data-root empty",
    "datasets draw spectrum_basic --shots 4096",
    "datasets draw spectrum_basic --seed -1",
    "datasets draw spectrum_basic --draw random",
    "datasets draw spectrum_basic --out empty",
    "datasets draw spectrum_basic --out file.txt/below.json",
    "datasets add pictures",
    ADD + "nowhere",
    ADD + "file.txt",
    ADD + "empty",
    ADD + "one",
    ADD + "absent.csv",
    ADD + "pictures --min-images 100",
    ADD + "pictures --min-images -1",
    ADD + "pictures --name crow",
    ADD + "pictures --name raven=Raven",
    ADD + "broken",
    ADD + "broken --skip-broken",
    ADD + "nolabel.csv",
    ADD + "twice.csv",
    ADD + "outside.csv",
    ADD + "mixed.csv",
    ADD + "pictures --template 'a bird'",
    ADD + "pictures --template 'a {} and {}'",
    ADD + "pictures --split by-hand",
    ADD + "pictures --split given",
    ADD + "parts --split hash",
    ADD + "pictures --path-column file",
    ADD + "pictures --label-column class",
    ADD + "pictures --root .",
    ADD + "absent.csv --path-column nowhere",
    "datasets add Birds! --images pictures",
    "datasets add eurosat --images pictures",
    "datasets add ../birds --images pictures",
    # features, cache, methods
    "features import nowhere.npz --name x --backbone b --classes classes.txt",
    "features import file.txt --name x --backbone b --classes classes.txt",
    FEATURES,
    FEATURES + "--train train_features",
    "features import features.npz --name x --backbone b --classes nowhere.txt",
    "cache clear --keep 'a lot'",
    "cache clear --keep -5G",
    "cache clear ViT --keep 5G",
    "cache info --cache file.txt",
    "methods nobody",
    "methods coop --backbone nowhere",
    "methods coop --classes 1",
    "methods new 2fast",
    "methods new coop",
    "methods new fast --family magic",
    "check nobody",
]


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
        "absent.csv": "path,label\nnowhere.png,crow\nnowhere2.png,gull\n",
        "outside.csv": "path;label\n/nowhere/1.png;crow\n/nowhere/2.png;gull\n",
        "mixed.csv": "path\tlabel\n/nowhere/1.png\tcrow\npictures/gull/1.png\tgull\n",
        "broken.safetensors": "no tensors, and no header\n",
        "nolabel.csv": "path,colour\npictures/crow/0.png,black\n",
        "twice.csv": "path,label\npictures/crow/0.png,crow\npictures/crow/0.png,gull\n",
        "features.npz": "PK no archive\n",
        "classes.txt": "crow\ngull\n",
    }.items():
        (folder / name).write_text(text)
    return ids_by_status(folder / "runs")


def ids_by_status(runs: Path) -> dict[str, str]:
    """The id of a run by its status, for commands that name `ok` or `failed`."""
    shards = Shards(runs)
    return {str(shards.status(entry.run_id)): entry.run_id for entry in shards.scan()}
