"""Tip-Adapter: its own cache and search, with one pass for the keys."""

import recording_side


def train(task):
    import main
    import utils

    tested = recording_side.scores_without(main, utils)
    cfg = {
        "load_cache": False, "load_pre_feat": False, "search_hp": True, "cache_dir": ".", "shots": task.shots,
        "augment_epoch": 1, "init_alpha": 2.0, "init_beta": 1.0, "search_scale": [12, 10], "search_step": [10, 5],
    }  # fmt: skip
    texts = utils.clip_classifier(task.names, [task.template], task.clip)
    loader = task.train_loader(len(task.classes.lists["train"]), shuffle=False)
    keys, values = utils.build_cache_model(cfg, task.clip, loader)
    val = utils.pre_load_features(cfg, "val", task.clip, task.val_loader())
    test = utils.pre_load_features(cfg, "test", task.clip, task.test_loader)
    main.run_tip_adapter(cfg, keys, values, *val, *test, texts)
    return tested[-1]
