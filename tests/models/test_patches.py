"""The mel patch embedding against timm's own patch embedding and position resampling."""

import math

import pytest
import torch
from timm.layers.pos_embed import resample_abs_pos_embed
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor

from erc_core.models.augment import Augmentation, Patchout, SpecAugment
from erc_core.models.patches import MelPatchEmbedding

WIDTH, PATCH = 16, 8


def make_vit(img_size: int | tuple[int, int] = 32, **more: object) -> VisionTransformer:
    torch.manual_seed(0)
    vit = VisionTransformer(
        img_size=img_size, patch_size=PATCH, num_classes=0, embed_dim=WIDTH, depth=1, num_heads=2, **more
    )
    with torch.no_grad():  # fresh ones are all but zero
        for parameter in (vit.cls_token, vit.pos_embed, vit.patch_embed.proj.bias):
            parameter.normal_()
    return vit.double()


def embed(
    vit: VisionTransformer,
    n_mels: int,
    max_frames: int,
    *,
    patchout: float = 0.0,
    spec_augment: SpecAugment | None = None,
) -> MelPatchEmbedding:
    augmentation = Augmentation(spec_augment or SpecAugment(0.0, 0.0, 0), Patchout(patchout))
    return MelPatchEmbedding(vit, n_mels, max_frames, augmentation).double()


def clip(frames: int, n_mels: int, seed: int = 0) -> Tensor:
    return torch.randn(1, frames, n_mels, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def in_pictures_order(patches_PD: Tensor, rows: int) -> Tensor:
    """Reorder from time-major to the order of a picture, in which rows (frequencies) come one after another."""
    columns = len(patches_PD) // rows
    return torch.stack([patches_PD[k * rows + r] for r in range(rows) for k in range(columns)])


def without_positions(patches: MelPatchEmbedding, mel_BFM: Tensor) -> Tensor:
    sequence_BSD, _ = patches(mel_BFM, torch.tensor([mel_BFM.shape[1]] * len(mel_BFM)))
    columns = math.ceil(mel_BFM.shape[1] / patches.patch)
    return sequence_BSD[:, 1:] - patches.position_PD[: columns * patches.rows]


# ---- the kernel ----


@pytest.mark.parametrize(("n_mels", "frames"), [(32, 32), (16, 40), (40, 16), (8, 8)])
def test_a_grey_picture_gives_what_the_vit_itself_gives(n_mels: int, frames: int):
    # a picture of a spectrogram: frequencies down, time to the right, the same on its three channels
    vit, mel = make_vit((n_mels, frames)), clip(frames, n_mels)
    picture = mel.transpose(1, 2)[:, None].expand(1, 3, n_mels, frames)
    ours = without_positions(embed(vit, n_mels, frames), mel)[0]
    # 1e-5: the sum of the channels is kept in single precision
    torch.testing.assert_close(in_pictures_order(ours, n_mels // PATCH), vit.patch_embed(picture)[0], rtol=0, atol=1e-5)


def test_the_kernel_does_not_read_time_as_frequency():
    # the same picture turned on its side is another picture
    vit, mel = make_vit(32), clip(32, 32)
    patches = embed(vit, 32, 32)
    turned = vit.patch_embed(mel[:, None].expand(1, 3, 32, 32))[0]
    assert not torch.allclose(in_pictures_order(without_positions(patches, mel)[0], 4), turned, atol=0.1)


def test_one_channel_is_the_sum_of_three():
    vit = make_vit()
    ours, theirs = embed(vit, 32, 32).projection.weight, vit.patch_embed.proj.weight
    assert ours.shape == (WIDTH, 1, PATCH, PATCH)
    for time in range(PATCH):
        for frequency in range(PATCH):
            expected = theirs[:, 0, frequency, time] + theirs[:, 1, frequency, time] + theirs[:, 2, frequency, time]
            torch.testing.assert_close(ours[:, 0, time, frequency], expected)


def test_a_one_channel_vit_and_one_without_bias_are_taken_as_they_are():
    vit = make_vit(in_chans=1)
    torch.testing.assert_close(embed(vit, 32, 32).projection.weight, vit.patch_embed.proj.weight.transpose(2, 3))
    vit.patch_embed.proj.bias = None
    assert (embed(vit, 32, 32).projection.bias == 0).all()


# ---- positions ----


@pytest.mark.parametrize(("n_mels", "max_frames"), [(32, 32), (24, 80), (48, 8), (80, 200), (30, 61)])
def test_positions_are_resampled_as_timm_does(n_mels: int, max_frames: int):
    vit = make_vit(32)
    patches = embed(vit, n_mels, max_frames)
    rows, columns = math.ceil(n_mels / PATCH), math.ceil(max_frames / PATCH)
    expected = resample_abs_pos_embed(vit.pos_embed, [rows, columns], old_size=[4, 4])[0]
    torch.testing.assert_close(in_pictures_order(patches.position_PD, rows), expected[1:], rtol=0, atol=1e-6)
    torch.testing.assert_close(patches.cls_position_D, expected[0])
    torch.testing.assert_close(patches.cls_D, vit.cls_token[0, 0])


def test_an_equal_grid_keeps_the_positions_as_they_are():
    vit = make_vit(32)
    patches = embed(vit, 32, 32)
    assert torch.equal(in_pictures_order(patches.position_PD, 4), vit.pos_embed[0, 1:])


@pytest.mark.parametrize(("img_size", "grid"), [((16, 64), (2, 8)), ((64, 16), (8, 2)), ((24, 40), (3, 5))])
def test_the_grid_of_a_vit_need_not_be_square(img_size: tuple[int, int], grid: tuple[int, int]):
    # 2 x 8 is the trap: 16 patches could be a square of 4
    vit = make_vit(img_size)
    same = embed(vit, *img_size)
    assert torch.equal(in_pictures_order(same.position_PD, grid[0]), vit.pos_embed[0, 1:])
    other = embed(vit, 40, 80)
    expected = resample_abs_pos_embed(vit.pos_embed, [5, 10], old_size=list(grid))[0, 1:]
    torch.testing.assert_close(in_pictures_order(other.position_PD, 5), expected, rtol=0, atol=1e-6)


def test_rows_of_positions_are_frequencies_and_columns_are_time():
    # timm is not asked here: channel 0 of each position is its row in the picture, channel 1 its column
    vit = make_vit(32)
    with torch.no_grad():
        for r in range(4):
            for k in range(4):
                vit.pos_embed[0, 1 + 4 * r + k, :2] = torch.tensor([r, k])
    rows, columns = 3, 10
    grid_KRD = embed(vit, rows * PATCH, columns * PATCH).position_PD.reshape(columns, rows, WIDTH)
    of_row, of_column = grid_KRD[..., 0], grid_KRD[..., 1]
    torch.testing.assert_close(of_row, of_row[:1].expand(columns, rows), rtol=0, atol=1e-5)
    torch.testing.assert_close(of_column, of_column[:, :1].expand(columns, rows), rtol=0, atol=1e-5)
    assert (of_row[0].diff() > 0).all()
    assert of_column[-1, 0] > of_column[0, 0] + 2


def test_a_patch_has_the_same_position_in_every_batch():
    patches = embed(make_vit(), 24, 80)
    short, long = clip(20, 24), torch.cat([clip(20, 24), clip(60, 24, seed=1)], dim=1)
    alone, _ = patches(short, torch.tensor([20]))
    beside, _ = patches(long, torch.tensor([20]))
    torch.testing.assert_close(beside[:, : alone.shape[1]], alone, rtol=0, atol=1e-12)


# ---- order and mask ----


def test_patches_run_up_the_frequencies_then_on_in_time():
    patches = embed(make_vit(), 24, 40)
    rows, columns = 3, 5
    silence = without_positions(patches, torch.zeros(1, 40, 24, dtype=torch.float64))
    for k in range(columns):
        for r in range(rows):
            mel = torch.zeros(1, 40, 24, dtype=torch.float64)
            mel[0, k * PATCH : (k + 1) * PATCH, r * PATCH : (r + 1) * PATCH] = 1.0
            moved = (without_positions(patches, mel) - silence).abs().sum(dim=2)[0]
            assert moved.nonzero().flatten().tolist() == [k * rows + r]


def test_the_mask_keeps_the_cls_and_every_patch_that_holds_a_frame():
    rows, lengths = 3, [0, 1, 7, 8, 9, 16, 39, 40]
    mel = torch.cat([clip(40, 24)] * len(lengths))
    sequence, mask = embed(make_vit(), 24, 40)(mel, torch.tensor(lengths))
    assert sequence.shape == (len(lengths), 1 + rows * 5, WIDTH)
    assert mask.shape == sequence.shape[:2]
    assert mask.dtype == torch.bool
    for length, own in zip(lengths, mask.tolist(), strict=True):
        real = 1 + rows * math.ceil(length / PATCH)
        assert own == [True] * real + [False] * (len(own) - real)


def test_the_cls_comes_first_and_does_not_depend_on_the_clip():
    vit = make_vit()
    sequence, _ = embed(vit, 32, 32)(torch.cat([clip(32, 32), clip(32, 32, seed=1)]), torch.tensor([32, 5]))
    for cls in sequence[:, 0]:
        torch.testing.assert_close(cls, vit.cls_token[0, 0] + vit.pos_embed[0, 0])


# ---- patchout ----


@pytest.mark.parametrize(("patchout", "kept"), [(0.0, 15), (0.2, 12), (0.5, 8), (0.99, 1)])
def test_patchout_leaves_whole_positions_out_of_training(patchout: float, kept: int):
    patches, lengths = embed(make_vit(), 24, 40, patchout=patchout), torch.tensor([40, 9, 0])
    mel = torch.cat([clip(40, 24, seed) for seed in range(3)])
    whole, whole_mask = patches.eval()(mel, lengths)
    torch.manual_seed(0)
    some, some_mask = patches.train()(mel, lengths)
    assert some.shape == (3, 1 + kept, WIDTH)
    assert torch.equal(some[:, 0], whole[:, 0])
    # every patch that stays is one of the whole, with its own position and its own mask, the same ones in all clips
    distance = torch.cdist(some[0, 1:].double(), whole[0].double())
    assert (distance.min(dim=1).values < 1e-5).all()
    places = distance.argmin(dim=1).tolist()
    assert len(set(places)) == kept
    torch.testing.assert_close(some, whole[:, [0, *places]], rtol=1e-5, atol=1e-6)
    assert torch.equal(some_mask, whole_mask[:, [0, *places]])


def test_patchout_is_drawn_anew_for_each_batch_and_follows_the_seed():
    patches, mel, length = embed(make_vit(), 24, 40, patchout=0.5).train(), clip(40, 24), torch.tensor([40])
    torch.manual_seed(0)
    first, second = patches(mel, length)[0], patches(mel, length)[0]
    assert not torch.equal(first, second)
    torch.manual_seed(0)
    assert torch.equal(patches(mel, length)[0], first)


def test_patchout_is_off_in_evaluation_and_no_part_of_the_weights():
    plain, patches = embed(make_vit(), 24, 40).eval(), embed(make_vit(), 24, 40, patchout=0.5).eval()
    mel, length = clip(40, 24), torch.tensor([40])
    assert torch.equal(patches(mel, length)[0], plain(mel, length)[0])
    assert set(patches.state_dict()) == set(plain.state_dict())


# ---- SpecAugment ----


def test_training_hides_bands_of_the_standardised_clip():
    mel, lengths = torch.cat([clip(40, 24, seed) for seed in range(3)]), torch.tensor([40, 9, 0])
    augment = SpecAugment(0.5, 0.5, 1)
    plain, patches = embed(make_vit(), 24, 40), embed(make_vit(), 24, 40, spec_augment=augment)
    for embedding in (plain, patches):
        embedding.set_statistics(torch.linspace(-9, -2, 24), torch.linspace(0.5, 4, 24))
    torch.manual_seed(0)
    # what is hidden is filled with each bin's mean, as padding is
    hidden = augment(torch.ones_like(mel), lengths) == 0
    expected, expected_mask = plain(torch.where(hidden, plain.mean, mel), lengths)
    torch.manual_seed(0)
    sequence, mask = patches.train()(mel, lengths)
    torch.testing.assert_close(sequence, expected, rtol=0, atol=1e-12)
    assert torch.equal(mask, expected_mask)
    assert not torch.allclose(sequence, patches.eval()(mel, lengths)[0])


def test_spec_augment_is_off_in_evaluation_and_no_part_of_the_weights():
    plain = embed(make_vit(), 24, 40).eval()
    patches, mel, length = (
        embed(make_vit(), 24, 40, spec_augment=SpecAugment(0.5, 0.5, 2)).eval(),
        clip(40, 24),
        torch.tensor([40]),
    )
    assert torch.equal(patches(mel, length)[0], plain(mel, length)[0])
    assert set(patches.state_dict()) == set(plain.state_dict())


# ---- standardisation and what fills up ----


def test_frames_are_standardised_per_mel_bin():
    plain, standard = embed(make_vit(), 24, 40), embed(make_vit(), 24, 40)
    mean, std = torch.linspace(-9, -2, 24), torch.linspace(0.5, 4, 24)
    standard.set_statistics(mean, std)
    mel = clip(40, 24)
    expected = without_positions(plain, (mel - mean.double()) / std.double())
    torch.testing.assert_close(without_positions(standard, mel), expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("garbage", [0.0, 1e6, math.nan, math.inf])
@pytest.mark.parametrize("length", [0, 3, 8, 20])
def test_padding_is_the_mean_of_the_train_split_whatever_stands_there(length: int, garbage: float):
    patches = embed(make_vit(), 20, 40)  # 20 bins: the last row of patches is partial too
    mean = torch.linspace(-9, -2, 20)
    patches.set_statistics(mean, torch.linspace(0.5, 4, 20))
    mel = clip(24, 20)
    filled = mel.clone()
    mel[:, length:], filled[:, length:] = garbage, mean.double()
    sequence, mask = patches(mel, torch.tensor([length]))
    expected, _ = patches(filled, torch.tensor([24]))
    torch.testing.assert_close(sequence, expected, rtol=0, atol=1e-10)
    assert mask.sum() == 1 + 3 * math.ceil(length / PATCH)
    sequence.square().sum().backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in patches.parameters())


def test_statistics_are_saved_with_the_weights():
    patches = embed(make_vit(), 24, 40)
    patches.set_statistics(torch.full((24,), -4.0), torch.full((24,), 2.0))
    state = patches.state_dict()
    assert state["mean"].tolist() == [-4.0] * 24
    assert state["std"].tolist() == [2.0] * 24
    assert {name for name, _ in patches.named_parameters()}.isdisjoint({"mean", "std"})


@pytest.mark.parametrize("frames", [0, 1, 7])
def test_a_clip_shorter_than_a_patch_is_one_column(frames: int):
    sequence, mask = embed(make_vit(), 24, 40)(clip(frames, 24), torch.tensor([frames]))
    assert sequence.shape == (1, 1 + 3, WIDTH)
    assert mask.tolist() == [[True] + [frames > 0] * 3]


def test_a_longest_clip_shorter_than_a_patch_has_a_column_too():
    patches = embed(make_vit(), 24, 1)
    assert patches.position_PD.shape == (3, WIDTH)


def test_a_clip_may_fill_the_last_column_and_no_more():
    patches = embed(make_vit(), 24, 33)  # 5 columns, which reach to frame 40
    assert patches(clip(40, 24), torch.tensor([40]))[0].shape == (1, 16, WIDTH)
    with pytest.raises(ValueError, match="41 frames are more than the 40 of the longest clip"):
        patches(clip(41, 24), torch.tensor([41]))


@pytest.mark.parametrize("more", [{"class_token": False, "global_pool": "avg"}, {"pos_embed": "none"}])
def test_a_vit_without_cls_or_positions_is_refused(more: dict[str, object]):
    torch.manual_seed(0)
    vit = VisionTransformer(img_size=32, patch_size=PATCH, num_classes=0, embed_dim=WIDTH, depth=1, num_heads=2, **more)
    with pytest.raises(ValueError, match="no CLS token or no position embedding"):
        MelPatchEmbedding(vit, 24, 40)
