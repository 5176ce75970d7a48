"""Views in memory: as many as there is room for, whatever the threads."""

from __future__ import annotations

import threading

from noise_images import SAMPLES, NoiseImages

from bench.experiment.features.view_pixels import RenderedViews
from bench.experiment.features.views import CENTER_VIEW


def test_rendered_views_are_kept_while_there_is_room_whatever_the_threads():
    views = RenderedViews(32, limit=10 * 32 * 32 * 3)
    images = NoiseImages()

    def ask() -> None:
        for sample in SAMPLES:
            (view,) = views.get_all(images, sample.key, [CENTER_VIEW])
            assert view.shape == (32, 32, 3)

    workers = [threading.Thread(target=ask) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    before = len(images.loaded)
    views.get_all(images, SAMPLES[-1].key, [CENTER_VIEW])
    assert len(images.loaded) == before
    views.get_all(images, SAMPLES[0].key, [CENTER_VIEW])
    assert len(images.loaded) == before + 1
