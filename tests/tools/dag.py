"""Print the pipeline as a Mermaid flowchart: a node for each stage of dvc.yaml, no arrow that a longer way implies."""

import re
import subprocess
import sys
from pathlib import Path

import networkx as nx

ROOT = Path(__file__).parents[2]


def flowchart() -> str:
    """Return the picture of the pipeline, its arrows in the order in which the stages run."""
    command = [sys.executable, "-m", "dvc", "dag", "--dot", "--collapse-foreach-matrix"]
    dot = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    whole = nx.DiGraph(re.findall(r'"(\w+)" -> "(\w+)"', dot))
    place = {name: i for i, name in enumerate(nx.lexicographical_topological_sort(whole))}
    arrows = sorted(nx.transitive_reduction(whole).edges, key=lambda arrow: [place[name] for name in arrow])
    return "\n".join(["flowchart LR", *(f"    {start} --> {end}" for start, end in arrows)])


if __name__ == "__main__":
    print(flowchart())
