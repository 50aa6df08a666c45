"""What a run says of itself: log.jsonl, a line a report, and loss.png, their curve. Knows nothing
of models.
"""

import json
import os

from data import SUBSETS


class Log:
    """The reports of a run folder up to the step that it goes on from; later ones are of steps that
    will be taken again, and are dropped, as is a line that a crash cut off."""

    def __init__(self, folder, step):
        self.path = os.path.join(folder, "log.jsonl")
        self.picture = os.path.join(folder, "loss.png")
        self.lines = [line for line in read_lines(self.path) if line["step"] <= step]
        with open(self.path, "w", encoding="utf8") as file:
            file.writelines(json.dumps(line) + "\n" for line in self.lines)

    def note(self, step, megabytes, report):
        """Adds a report (a dictionary) at a step."""
        self.lines.append({"step": step, "megabytes": round(megabytes, 3), **report})
        with open(self.path, "a", encoding="utf8") as file:
            file.write(json.dumps(self.lines[-1]) + "\n")

    def draw(self):
        """The curve as a picture, if matplotlib is there."""
        try:
            import matplotlib
        except ImportError:
            return
        matplotlib.use("Agg")
        import matplotlib.pyplot as plt
        figure, axes = plt.subplots(figsize=(8, 4.5))
        reports = [line for line in self.lines if "bits" in line]
        axes.plot([r["megabytes"] for r in reports], [r["bits"] for r in reports], lw=0.8,
                  color="#9ab", label="training")
        for name in SUBSETS:
            points = [(line["megabytes"], line["validation"][name]) for line in self.lines
                      if name in line.get("validation", {})]
            if points:
                axes.plot(*zip(*points), marker=".", label=name)
        axes.set(xlabel="megabytes read", ylabel="bits per byte", ylim=(0.8, 3.2))
        axes.grid(alpha=0.3)
        axes.legend()
        figure.tight_layout()
        figure.savefig(self.picture, dpi=110)
        plt.close(figure)


def read_lines(path):
    """The reports in a log that can be read; none when there is no log."""
    if not os.path.exists(path):
        return []
    lines = []
    with open(path, encoding="utf8") as file:
        for text in file:
            try:
                lines.append(json.loads(text))
            except ValueError:
                continue
    return lines
