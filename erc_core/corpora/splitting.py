"""Seeded choices of whole groups of utterances: dialogues, speakers, or speakers linked by their dialogues."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import permutations

from erc_core.errors import ErcError


class SplitError(ErcError):
    """No split by whole groups meets the rules; the message says why."""


def seeded_order(names: Iterable[str], seed: int, separator: str = ":") -> list[str]:
    """Return names in an order that hashes decide: each has its place by the seed and itself, whatever else there is.

    Neither the order in which they come, nor the machine, nor a library's version matters. The separator stands between
    seed and name in what is hashed: another one is another order.
    """
    return sorted(names, key=lambda name: hashlib.sha256(f"{seed}{separator}{name}".encode()).digest())


def seeded_split(
    groups: Sequence[str], emotions: Sequence[str], dev_share: float, test_share: float, seed: int
) -> list[str]:
    """Give every utterance a split so that no group is in two and every emotion is in train.

    Groups come in their seeded order. A group goes to test, then to dev, where that brings the split nearer to its
    share of the utterances, and train keeps every emotion. Groups and emotions are those of each utterance; the shares
    sum to less than 1. SplitError where there are fewer than three groups, or dev or test cannot be filled without
    taking an emotion from train.
    """
    sizes = Counter(groups)
    if len(sizes) < 3:
        raise SplitError(f"{len(sizes)} found, at least 3 are needed: one each for train, dev and test")
    draw = _Draw(groups, emotions, seed)
    for split, share in (("test", test_share), ("dev", dev_share)):
        draw.fill(split, share * len(groups))
    if {"test", "dev"} - set(draw.split.values()):
        draw = _Draw(groups, emotions, seed)
        draw.fill_with_one_each()
    return [draw.split.get(group, "train") for group in groups]


def linked_groups(speakers: Sequence[str], dialogues: Sequence[str]) -> list[str]:
    """Return each utterance's group, the speakers that common dialogues link, over any steps; named after the first."""
    leader = {speaker: speaker for speaker in speakers}

    def find(speaker: str) -> str:
        while leader[speaker] != speaker:
            leader[speaker] = leader[leader[speaker]]
            speaker = leader[speaker]
        return speaker

    first: dict[str, str] = {}
    for speaker, dialogue in zip(speakers, dialogues, strict=True):
        leading, other = sorted((find(speaker), find(first.setdefault(dialogue, speaker))))
        leader[other] = leading
    return [find(speaker) for speaker in speakers]


class _Draw:
    """A split in the making: every group is in train until it is moved."""

    def __init__(self, groups: Sequence[str], emotions: Sequence[str], seed: int) -> None:
        self.sizes = Counter(groups)
        self.held: dict[str, set[str]] = defaultdict(set)
        for group, emotion in zip(groups, emotions, strict=True):
            self.held[group].add(emotion)
        self.order = seeded_order(self.sizes, seed)
        self.groups_in_train = Counter(emotion for held in self.held.values() for emotion in held)
        self.split: dict[str, str] = {}

    def may_leave(self, group: str) -> bool:
        return group not in self.split and all(self.groups_in_train[emotion] > 1 for emotion in self.held[group])

    def move(self, group: str, split: str) -> None:
        self.split[group] = split
        self.groups_in_train.subtract(self.held[group])

    def fill(self, split: str, wanted: float) -> None:
        """Move groups until no further one brings the split nearer to the wanted number of utterances."""
        got = 0
        for group in self.order:
            if self.sizes[group] < 2 * (wanted - got) and self.may_leave(group):
                self.move(group, split)
                got += self.sizes[group]
        if got == 0:  # all groups are large: the smallest is nearest
            smallest = min(filter(self.may_leave, self.order), key=self.sizes.__getitem__, default=None)
            if smallest is not None:
                self.move(smallest, split)

    def fill_with_one_each(self) -> None:
        """Move one group to test and one to dev, small ones if possible."""
        candidates = sorted(filter(self.may_leave, self.order), key=self.sizes.__getitem__)
        for group, other in permutations(candidates, 2):
            if all(self.groups_in_train[emotion] > 1 + (emotion in self.held[group]) for emotion in self.held[other]):
                self.move(group, "test")
                self.move(other, "dev")
                return
        only = sorted(emotion for emotion, count in self.groups_in_train.items() if count == 1)
        raise SplitError(
            f"{len(self.sizes)} found, but dev and test cannot be filled without taking an emotion from train"
            + (f"; only one of them has {', '.join(map(repr, only[:5]))}" if only else "")
        )
