"""Videos: the original's files, the user's own, procedural ones, and what is refused."""

from __future__ import annotations

import os
import pickle
from itertools import pairwise
from pathlib import Path
from typing import Any

import imageio.v3 as imageio
import numpy as np
import pytest
from PIL import Image

from mummi.backgrounds import load_backgrounds
from mummi.backgrounds.convert import convert, first_frames
from mummi.backgrounds.files import VideoFile
from mummi.backgrounds.procedural import ProceduralVideos


def natural(seed: int, videos: int = 3, frames: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (videos, frames, 3, 64, 64), dtype=np.uint8)


def write_pickles(folder: Path, protocol: int = pickle.HIGHEST_PROTOCOL) -> dict[str, np.ndarray]:
    arrays = {"train": natural(0), "valid": natural(1, videos=2)}
    for split, array in arrays.items():
        (folder / f"natural_{split}.pkl").write_bytes(pickle.dumps(array, protocol))
    return arrays


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_the_originals_files_are_loaded_channels_last(tmp_path: Path, protocol: int):
    arrays = write_pickles(tmp_path, protocol)
    for split, videos in (("train", 3), ("valid", 2)):
        loaded = load_backgrounds(split, tmp_path, 128, 256)
        assert (loaded.source, loaded.videos, loaded.frames) == (f"natural_{split}.pkl", videos, 5)
        frame = loaded.frame(1, 4)
        assert frame.flags.c_contiguous
        np.testing.assert_array_equal(frame, np.moveaxis(arrays[split][1, 4], 0, -1))


def test_names_of_older_and_newer_numpys_are_understood(tmp_path: Path):
    content = pickle.dumps(natural(0), 4)
    other = content.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    assert other != content
    path = tmp_path / "natural_train.pkl"
    path.write_bytes(other.replace(b"\x8c\x16numpy.core", b"\x8c\x15numpy.core"))
    np.testing.assert_array_equal(VideoFile(path).frame(0, 0), np.moveaxis(natural(0)[0, 0], 0, -1))


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch /tmp/mummi-was-here",)


def test_a_pickle_that_would_run_code_is_refused(tmp_path: Path):
    write_pickles(tmp_path)
    path = tmp_path / "natural_train.pkl"
    for payload in (Evil(), np.array([Evil()], dtype=object)):
        path.write_bytes(pickle.dumps(payload))
        with pytest.raises(ValueError, match=r"cannot be read: it holds \w+\.system, and only an array is admitted$"):
            load_backgrounds("train", tmp_path, 1, 1)
    assert not Path("/tmp/mummi-was-here").exists()


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (
            natural(0).transpose(0, 1, 3, 4, 2),
            r"must hold one array \(videos, frames, 3, 64, 64\), got \(3, 5, 64, 64, 3\)",
        ),
        (natural(0)[:0], r"must hold one array \(videos, frames, 3, 64, 64\), got \(0, 5, 3, 64, 64\)"),
        ([1, 2], r"must hold one array \(videos, frames, 3, 64, 64\), got list"),
        (natural(0) / 255.0, "must hold numbers from 0 to 255, got 0 to 1"),
        (natural(0).astype(np.int16) - 100, "must hold numbers from 0 to 255, got -100 to 155"),
        (natural(0) > 100, "must hold numbers from 0 to 255, got bool"),
    ],
)
def test_a_pickle_of_another_form_is_refused_in_one_line(tmp_path: Path, content: Any, complaint: str):
    path = tmp_path / "natural_train.pkl"
    path.write_bytes(pickle.dumps(content))
    with pytest.raises(ValueError, match=complaint) as error:
        VideoFile(path)
    assert "\n" not in str(error.value)
    assert str(path) in str(error.value)


def test_numbers_of_another_kind_are_taken_where_they_are_pixels(tmp_path: Path):
    path = tmp_path / "natural_train.pkl"
    path.write_bytes(pickle.dumps(natural(0).astype(np.float32)))
    frame = VideoFile(path).frame(0, 0)
    assert frame.dtype == np.uint8
    np.testing.assert_array_equal(frame, np.moveaxis(natural(0)[0, 0], 0, -1))


@pytest.mark.parametrize("content", [b"", b"not a pickle", pickle.dumps(natural(0))[:5000]])
def test_a_damaged_file_is_refused_in_one_line(tmp_path: Path, content: bytes):
    for name in ("natural_train.pkl", "own_train.npy"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=f"{name} cannot be read: ") as error:
            VideoFile(tmp_path / name)
        assert "\n" not in str(error.value)


def test_an_array_of_another_form_is_refused(tmp_path: Path):
    np.save(tmp_path / "own_train.npy", natural(0))
    with pytest.raises(
        ValueError, match=r"bytes of shape \(videos, frames, 64, 64, 3\), got uint8 \(3, 5, 3, 64, 64\)"
    ):
        VideoFile(tmp_path / "own_train.npy")


@pytest.mark.parametrize(("there", "missing"), [("train", "valid"), ("valid", "train")])
def test_one_file_without_the_other_is_refused(tmp_path: Path, there: str, missing: str):
    write_pickles(tmp_path)
    (tmp_path / f"natural_{missing}.pkl").unlink()
    with pytest.raises(ValueError, match=rf"natural_{missing}\.pkl is missing: training and evaluation need different"):
        load_backgrounds(there, tmp_path, 1, 1)  # type: ignore[arg-type]


def test_a_video_file_reaches_another_process_by_its_name(tmp_path: Path):
    arrays = write_pickles(tmp_path)
    content = pickle.dumps(load_backgrounds("train", tmp_path, 1, 1))
    assert len(content) < 1000
    np.testing.assert_array_equal(pickle.loads(content).frame(2, 3), np.moveaxis(arrays["train"][2, 3], 0, -1))


def test_a_folder_that_does_not_exist_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match=r"backgrounds must be a folder, got .*nowhere$"):
        load_backgrounds("train", tmp_path / "nowhere", 1, 1)


def test_without_files_videos_are_made(tmp_path: Path):
    made = load_backgrounds("valid", tmp_path, 32, 256)
    assert (made.source, made.videos, made.frames) == ("procedural", 32, 256)


def frames_of(split: str, video: int, count: int = 24) -> np.ndarray:
    videos = ProceduralVideos(split, 128, 256)
    return np.stack([videos.frame(video, number) for number in range(count)])


def test_made_videos_have_the_statistics_of_natural_ones():
    """Card 4.5: brightness 80 to 170, deviation 40 to 70, correlation of consecutive frames 0.9 to 0.99."""
    figures = []
    for video in range(16):
        frames = frames_of("train", video).astype(float)
        correlation = np.mean([np.corrcoef(one.ravel(), other.ravel())[0, 1] for one, other in pairwise(frames)])
        figures.append((frames.mean(), frames.std(axis=(1, 2, 3)).mean(), correlation))
        assert 0.9 < correlation < 0.999
    mean, deviation, correlation = np.mean(figures, axis=0)
    assert 80 < mean < 170
    assert 40 < deviation < 70
    assert 0.9 < correlation < 0.99


def test_made_videos_repeat_and_differ_between_splits_and_numbers():
    np.testing.assert_array_equal(frames_of("train", 3), frames_of("train", 3))
    firsts = [frames_of(split, video, 1).tobytes() for split in ("train", "valid") for video in range(20)]
    assert len(set(firsts)) == 40
    frame = ProceduralVideos("train", 1, 256).frame(0, 255)
    assert (frame.dtype, frame.shape) == (np.uint8, (64, 64, 3))


def test_large_waves_are_stronger_than_small_ones():
    power = np.zeros((64, 33))
    for video in range(16):
        grey = frames_of("valid", video, 1)[0].mean(axis=-1)
        power += np.abs(np.fft.rfft2(grey - grey.mean())) ** 2
    radius = np.hypot(np.fft.fftfreq(64, 1 / 64)[:, None], np.arange(33)[None])
    bands = [power[(radius >= low) & (radius < 2 * low)].mean() for low in (1, 2, 4, 8)]
    assert bands[0] > 2 * bands[1] > 4 * bands[2] > 8 * bands[3]


@pytest.mark.parametrize(("videos", "frames"), [(0, 5), (5, 0)])
def test_an_empty_set_is_refused(videos: int, frames: int):
    with pytest.raises(ValueError, match="must be at least 1, got 0"):
        ProceduralVideos("train", videos, frames)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A film that turns from black to white, a folder of pictures, a single picture, and a text."""
    folder = tmp_path / "mine"
    (folder / "walk").mkdir(parents=True)
    film = np.linspace(0, 255, 12).astype(np.uint8)[:, None, None, None] * np.ones((1, 96, 128, 3), np.uint8)
    imageio.imwrite(folder / "film.mp4", film, plugin="FFMPEG", fps=10)
    for number, red in enumerate((10, 20, 30)):
        imageio.imwrite(folder / "walk" / f"{number}.png", np.full((80, 80, 3), (red, 0, 0), np.uint8))
    wide = np.zeros((64, 192, 4), np.uint8)
    wide[:, 64:128], wide[..., 3] = (0, 200, 0, 255), 255
    imageio.imwrite(folder / "still.png", wide)
    (folder / "notes.txt").write_text("not a video")
    return folder


def test_the_users_own_videos_become_backgrounds(own: Path, tmp_path: Path):
    summary = convert(own, tmp_path / "made", frames=5, valid_share=0.34, seed=1)
    assert summary == f"2 videos for training and 1 for evaluation, 5 frames each, in {tmp_path / 'made'}"
    train, valid = (load_backgrounds(split, tmp_path / "made", 1, 1) for split in ("train", "valid"))
    assert (train.source, train.videos, train.frames) == ("own videos", 2, 5)
    videos = [
        np.stack([each.frame(video, n) for n in range(5)]) for each in (train, valid) for video in range(each.videos)
    ]
    kinds = {int(video[0, 32, 32, 1]) > 150: video for video in videos if video[0, 32, 32, 0] < 5}
    still, film = kinds[True], kinds[False]
    assert (still == (0, 200, 0)).all(), "the middle square, without transparency"
    assert (np.diff(film.mean(axis=(1, 2, 3))) > 10).all(), "the first frames, in order"
    (walk,) = (video for video in videos if 5 < video[0, 32, 32, 0] < 15)
    assert walk[:, 0, 0, 0].tolist() == [10, 20, 30, 10, 20], "starts again"
    assert sorted(path.name for path in (tmp_path / "made").iterdir()) == ["own_train.npy", "own_valid.npy"]


@pytest.mark.parametrize(
    ("name", "pixels", "shade"),
    [
        ("pages.tiff", np.stack([np.full((80, 80), 90, np.uint8), np.zeros((80, 80), np.uint8)]), 90),
        ("deep.png", np.full((80, 80), 120 * 256 + 7, np.uint16), 120),
        ("grey.tif", np.full((80, 80), 120, np.uint8), 120),
    ],
)
def test_of_unusual_pictures_the_first_page_is_taken_in_8_bits(
    tmp_path: Path, name: str, pixels: np.ndarray, shade: int
):
    first, *others = map(Image.fromarray, pixels.reshape(-1, 80, 80))
    first.save(tmp_path / name, **({"save_all": True, "append_images": others} if others else {}))
    assert (first_frames(tmp_path / name, 1) == shade).all()


def test_a_picture_of_numbers_is_refused(tmp_path: Path):
    Image.fromarray(np.full((80, 80), 0.5, np.float32)).save(tmp_path / "heights.tiff")
    with pytest.raises(ValueError, match=r"heights\.tiff cannot be read: its pixels are numbers"):
        first_frames(tmp_path / "heights.tiff", 1)


def test_training_and_evaluation_share_no_video_and_the_seed_decides(tmp_path: Path):
    source = tmp_path / "many"
    source.mkdir()
    for number in range(10):
        imageio.imwrite(source / f"{number}.png", np.full((64, 64, 3), 20 * number, np.uint8))

    def split(seed: int) -> tuple[set[int], set[int]]:
        target = tmp_path / f"made-{seed}-{len(list(tmp_path.iterdir()))}"
        convert(source, target, frames=1, seed=seed)
        return tuple(set(np.load(target / f"own_{each}.npy")[:, 0, 0, 0, 0].tolist()) for each in ("train", "valid"))  # type: ignore[return-value]

    train, valid = split(0)
    assert (len(train), len(valid)) == (8, 2)
    assert not train & valid
    assert split(0) == (train, valid)
    assert any(split(seed) != (train, valid) for seed in (1, 2, 3))


def test_files_that_exist_are_never_written_over(own: Path, tmp_path: Path):
    convert(own, tmp_path, frames=2)
    before = (tmp_path / "own_valid.npy").read_bytes()
    with pytest.raises(ValueError, match=r"own_train\.npy exists; move it away or choose another target"):
        convert(own, tmp_path, frames=3)
    assert (tmp_path / "own_valid.npy").read_bytes() == before


@pytest.mark.parametrize("valid_share", [0.01, 0.99])
def test_a_video_that_cannot_be_read_is_named_and_nothing_is_left(own: Path, tmp_path: Path, valid_share: float):
    (own / "broken.mp4").write_bytes(b"this is no film")
    with pytest.raises(ValueError, match=r"broken\.mp4 cannot be read: ") as error:
        convert(own, tmp_path / "made", valid_share=valid_share)
    assert "\n" not in str(error.value)
    assert not list((tmp_path / "made").iterdir())


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"frames": 0}, "frames must be at least 1, got 0"),
        ({"seed": -1}, "seed must be at least 0, got -1"),
        ({"valid_share": 1.0}, "valid_share must be between 0 and 1, got 1.0"),
        ({"source": Path("/nowhere")}, "/nowhere is not a folder"),
    ],
)
def test_senseless_conversions_are_refused(own: Path, tmp_path: Path, options: dict[str, Any], complaint: str):
    with pytest.raises(ValueError, match=complaint):
        convert(**{"source": own, "target": tmp_path / "made", **options})
    assert not (tmp_path / "made").exists()


def test_a_folder_with_too_little_in_it_is_refused(tmp_path: Path):
    (tmp_path / "notes.txt").write_text("nothing to see")
    with pytest.raises(ValueError, match="must hold at least 2 videos or pictures"):
        convert(tmp_path, tmp_path / "made")
