"""Records: JSON files that one stage writes and others read, each described by one class."""

import json
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

from erc_core.errors import ErcError
from erc_core.run.atomic import write_json


class Record(BaseModel):
    """Base of the records: frozen, unknown keys refused. A subclass lists its keys; nothing else knows the file's layout."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def write_json(self, path: Path) -> None:
        """Write the record, whole or not at all."""
        write_json(path, self.model_dump(mode="json"))

    @classmethod
    def read_json(cls, path: Path, stage: str) -> Self:
        """Read a record; messages name the stage that makes it.

        Raises:
            ErcError: The file is missing, damaged, or lacks a key.
        """
        try:
            return cls.model_validate(json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            raise ErcError(f"{path}: not found; the stage {stage} makes it: run `dvc repro`") from None
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join(str(part) for part in first["loc"])
            reason = f"{place}: {first['msg']}" if place else first["msg"]
        except (OSError, ValueError) as error:  # ValueError: not UTF-8, or not JSON
            reason = " ".join(str(error).split())[:200]
        raise ErcError(f"{path}: damaged ({reason}); make it again with `dvc repro --force {stage}`") from None
