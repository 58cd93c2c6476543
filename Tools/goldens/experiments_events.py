"""The event file for Tests/ExperimentsTests, from TensorBoard's own writer of records and messages.

    python Tools/goldens/experiments_events.py

Made with tensorboard 2.21.0; no random numbers. Writes Tests/ExperimentsTests/Fixtures/events.tfevents: the header, two
scalars at step 7, one at step 300, and a histogram at step 300, all at the time 1234.5.
"""

from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import HistogramProto, Summary
from tensorboard.summary.writer.record_writer import RecordWriter

TARGET = Path(__file__).resolve().parents[2] / "Tests/ExperimentsTests/Fixtures/events.tfevents"
TIME = 1234.5


def scalars(step: int, values: dict[str, float]) -> Event:
    summary = Summary(value=[Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()])
    return Event(wall_time=TIME, step=step, summary=summary)


def histogram(step: int, tag: str, values: list[float], bins: int) -> Event:
    low, width = min(values), (max(values) - min(values)) / bins
    counts = [0.0] * bins
    for value in values:
        counts[min(bins - 1, int((value - low) / width))] += 1
    proto = HistogramProto(
        min=low, max=max(values), num=len(values), sum=sum(values), sum_squares=sum(v * v for v in values),
        bucket_limit=[low + (i + 1) * width for i in range(bins)], bucket=counts)
    return Event(wall_time=TIME, step=step, summary=Summary(value=[Summary.Value(tag=tag, histo=proto)]))


with open(TARGET, "wb") as file:
    writer = RecordWriter(file)
    for event in [
        Event(wall_time=TIME, file_version="brain.Event:2"),
        scalars(7, {"train/fvu": 0.125, "train/loss": 3.5}),
        scalars(300, {"train/loss": -0.75}),
        histogram(300, "activations", [i / 8 for i in range(1, 65)], 64),
    ]:
        writer.write(event.SerializeToString())
    writer.flush()
