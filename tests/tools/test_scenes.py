"""The world that the demo backbone was trained on: true captions, and pinned pixels."""

import hashlib

from datasets_registry._synthetic import drawing
from tools.train_demo_backbone import scenes

PINNED_WORLD = ["57480bcbfbaca431", "a9eabeb2949c8f44", "3a10e3592e0c9a1a", "d3e63badd65116e4"]


def test_every_caption_names_the_shape_and_those_of_one_image_vary() -> None:
    assert all(scenes.world_scene(index).shape in scenes.world_caption(index) for index in range(300))
    assert len({scenes.world_caption(7, telling) for telling in range(30)}) > 10


def test_the_caption_of_a_mirrored_image_swaps_left_and_right() -> None:
    scene = scenes.Scene("star", "red", "plain", "white", "small", 1, "on the left")
    assert scene.mirrored().place == "on the right"
    assert scene.mirrored().mirrored() == scene
    said = {scenes.scene_caption(scene.mirrored(), drawing.generator(i)) for i in range(200)}
    assert any("on the right" in caption for caption in said)
    assert not any("on the left" in caption for caption in said)


def test_the_world_contains_every_shape_in_every_colour() -> None:
    seen = {(scene.shape, scene.colour) for scene in map(scenes.world_scene, range(3000))}
    assert seen == {(shape, colour) for shape in scenes.SHAPES for colour in scenes.COLOURS}


def test_a_scene_has_its_colour_in_the_middle() -> None:
    scene = scenes.Scene("square", "red", "plain", "white", "large", 1, "in the middle")
    red, green, blue = scenes.paint_scene(scene, drawing.generator(0)).getpixel((24, 24))
    assert red > 150
    assert max(green, blue) < 100


def test_pixels_of_the_world_are_pinned() -> None:
    """A changed digest means changed pixels: increment the version and train the demo backbone again."""
    assert drawing.DRAWING_VERSION == 1
    assert [hashlib.sha256(scenes.world_image(index).tobytes()).hexdigest()[:16] for index in range(4)] == PINNED_WORLD
