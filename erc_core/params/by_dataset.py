"""Sections whose values may differ for a dataset."""

from typing import Any, Self

from pydantic import Field, ValidationError, model_validator

from erc_core.params.section import Section, shown


class ByDataset(Section):
    """A section with changes for some datasets: `datasets: {iemocap: {epochs: 100}}` changes one value for iemocap.

    A name counts for the dataset of that name, and for those that continue it with an underscore, its folds: iemocap is also
    that of iemocap_1. The longest name that fits counts alone.
    """

    datasets: dict[str, dict[str, Any]] = Field(default={})  # changes of this section's other keys

    def of_dataset(self, dataset: str) -> Self:
        """Return the section as it is for a dataset, without the changes for others."""
        return self._changed(changes_for(dataset, self.datasets))

    def _changed(self, changes: dict[str, Any]) -> Self:
        return type(self).model_validate(self.model_dump(exclude={"datasets"}) | changes)

    @model_validator(mode="after")
    def _changes_fit(self) -> Self:
        problems = []
        for name, changes in self.datasets.items():
            if "datasets" in changes:
                problems.append(f"datasets.{name}.datasets: unknown key")
                continue
            try:
                self._changed(changes)
            except ValidationError as error:
                problems += [f"datasets.{name}.{in_words(detail)}" for detail in error.errors()]
        if problems:
            raise ValueError("\n".join(problems))
        return self


def changes_for(dataset: str, datasets: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return those of the changes by name that count for a dataset."""
    fitting = [name for name in datasets if is_of(dataset, name)]
    return datasets[max(fitting, key=len)] if fitting else {}


def is_of(dataset: str, name: str) -> bool:
    """Return whether a name stands for a dataset: its own, or the one that its folds continue."""
    return dataset == name or dataset.startswith(f"{name}_")


def in_words(detail: Any) -> str:
    """Return pydantic's description of a mistake as one line that begins with the key."""
    place = ".".join(str(part) for part in detail["loc"])
    match detail["type"]:
        case "missing":
            return f"{place}: missing"
        case "extra_forbidden":
            return f"{place}: unknown key"
        case "value_error":  # a rule between the keys of a section
            return f"{place}.{detail['ctx']['error']}".lstrip(".")
    return f"{place} = {shown(detail['input'])}: {detail['msg'][0].lower()}{detail['msg'][1:]}"
