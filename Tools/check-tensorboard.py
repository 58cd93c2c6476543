"""Checks that TensorBoard reads the event file of a run and finds there what metrics.jsonl says.

    python Tools/check-tensorboard.py runs/NAME      (needs the Python package tensorboard)
"""

import json
import math
import struct
import sys
from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

run = Path(sys.argv[1])
lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
expected: dict[str, list[tuple[int, float]]] = {}
for line in lines:
    step = line.pop("step")
    for tag, value in line.items():
        # Event files hold 32-bit numbers.
        single = math.nan if value is None else struct.unpack("f", struct.pack("f", value))[0]
        expected.setdefault(tag, []).append((step, single))

board = EventAccumulator(str(run / "tensorboard"), size_guidance={"scalars": 0, "histograms": 0})
board.Reload()
tags = board.Tags()
if set(tags["scalars"]) != set(expected):
    sys.exit(f"tags differ: {sorted(tags['scalars'])} in TensorBoard, {sorted(expected)} in metrics.jsonl")
for tag, values in expected.items():
    found = [(event.step, event.value) for event in board.Scalars(tag)]
    if len(found) != len(values) or any(
        a[0] != b[0] or (a[1] != b[1] and not (math.isnan(a[1]) and math.isnan(b[1]))) for a, b in zip(found, values)
    ):
        sys.exit(f"values of {tag} differ: {found[:3]}… in TensorBoard, {values[:3]}… in metrics.jsonl")
print(f"{sum(map(len, expected.values()))} scalars and {len(tags['histograms'])} histograms read by TensorBoard")
