"""Write params.yaml in the form in which DVC leaves it, so that `dvc exp run -S` changes the values that it names alone."""

from pathlib import Path

from dvc.utils.serialize import modify_yaml

PARAMS = Path(__file__).parents[2] / "params.yaml"


def write_as_dvc_does(path: Path) -> None:
    """Read and write a file as DVC does to change a value in it."""
    with modify_yaml(str(path)):
        pass


if __name__ == "__main__":
    write_as_dvc_does(PARAMS)
