"""Tip-Adapter-F: its own cache and training, with one pass for the keys and without the search of alpha and beta."""

import recording_side


def train(task):
    import main
    import utils

    tested = recording_side.scores_without(main, utils)
    cfg = {
        "load_cache": False, "load_pre_feat": False, "search_hp": False, "cache_dir": ".", "shots": task.shots,
        "augment_epoch": 1, "lr": 0.001, "train_epoch": task.asked["steps"], "init_alpha": 2.0, "init_beta": 1.0,
    }  # fmt: skip
    batch = len(task.classes.lists["train"])
    texts = utils.clip_classifier(task.names, [task.template], task.clip)
    task.stopwatch.start()
    keys, values = utils.build_cache_model(cfg, task.clip, task.train_loader(batch, shuffle=False))
    task.keep_start("keys", keys.t())
    test = task.stopwatch.pausing(utils.pre_load_features)(cfg, "test", task.clip, task.test_loader)
    main.search_hp = lambda *args, **named: (cfg["init_beta"], cfg["init_alpha"])
    task.keep_losses()
    loader = task.train_loader(batch, shuffle=False)
    main.run_tip_adapter_F(cfg, keys, values, None, None, *test, texts, task.clip, loader)
    return tested[2 * cfg["train_epoch"] - 1]  # each epoch is one training step and one test
