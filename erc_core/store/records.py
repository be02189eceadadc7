"""Records: JSON files that one stage writes and others read, each described by one class."""

import json
from pathlib import Path
from typing import ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from erc_core.errors import damaged, not_found
from erc_core.run.atomic import write_json
from erc_core.store.checksums import CHECKSUM, seal, unseal


class Record(BaseModel):
    """Base of the records: frozen, unknown keys refused. A subclass lists its keys; nothing else knows the file's layout."""

    # whether the file carries the checksum of its content; not where DVC would show it among metrics
    has_checksum: ClassVar[bool] = True
    model_config = ConfigDict(extra="forbid", frozen=True)

    def write_json(self, path: Path) -> None:
        """Write the record, whole or not at all."""
        content = self.model_dump(mode="json")
        write_json(path, seal(content) if self.has_checksum else content)

    @classmethod
    def read_json(cls, path: Path, stage: str) -> Self:
        """Read a record; messages name the stage that makes it.

        Raises:
            ErcError: The file is missing, damaged, or lacks a key.
        """
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            fields = content
            if cls.has_checksum and isinstance(content, dict):
                fields = {key: value for key, value in content.items() if key != CHECKSUM}
            record = cls.model_validate(fields)  # what does not fit is told by its place, and what fits by the checksum
            if cls.has_checksum:
                unseal(content)
        except FileNotFoundError:
            raise not_found(path, stage) from None
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join(str(part) for part in first["loc"])
            reason = f"{place}: {first['msg']}" if place else first["msg"]
        except (OSError, ValueError) as error:  # ValueError: not UTF-8, or not JSON
            reason = " ".join(str(error).split())[:200]
        else:
            return record
        raise damaged(path, f"damaged ({reason})", stage) from None
