"""Plots for the documentation, as SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.simulated import Trace

STEP_S = 10.0
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"
COLOURS = {"objlib": "#0b6e4f", "pacer": "#c97b12", "fixed": "#8a8fa3"}

mpl.rcParams.update({"svg.hashsalt": "objlib", "svg.fonttype": "none", "font.size": 9})

Runs = dict[str, Trace]
Quota = Sequence[tuple[float, float]]


def plot_requests(path: Path, title: str, runs: Runs, quota: Quota) -> None:
    """Accepted requests a minute over time, and refused ones below."""
    figure = Figure(figsize=(8, 4.2), layout="constrained")
    accepted, refused = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    for way, trace in runs.items():
        steps = [number * STEP_S for number in range(int(trace.ended_s / STEP_S) + 1)]
        minutes = [start / 60 for start in steps]
        rates = [trace.accepted_between(at, at + STEP_S) * 60 / STEP_S for at in steps]
        refusals = [trace.refused_between(at, at + STEP_S) * 60 / STEP_S for at in steps]
        accepted.step(minutes, rates, where="post", color=COLOURS[way], label=way)
        refused.step(minutes, refusals, where="post", color=COLOURS[way])
    if quota:
        end = max(trace.ended_s for trace in runs.values()) / 60
        times = [start / 60 for start, _ in quota] + [end]
        values = [value for _, value in quota] + [quota[-1][1]]
        accepted.step(times, values, where="post", color="black", ls=":", label="quota")
    _finish(accepted, title, "accepted a minute")
    refused.set_ylabel("refused a minute")
    refused.set_xlabel("minutes")
    _save(figure, path)


def plot_documents(path: Path, title: str, runs: Runs, _quota: Quota) -> None:
    """Documents being indexed at once over time, and those that have shown as failed below."""
    figure = Figure(figsize=(8, 4.2), layout="constrained")
    at_once, failed = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    for way, trace in runs.items():
        minutes = [at / 60 for at, _ in trace.limits]
        numbers = [state.indexing.at_once for _, state in trace.limits]
        at_once.step(minutes, numbers, where="post", color=COLOURS[way], label=way, lw=0.9)
        shown = [at / 60 for at in trace.shown_failed]
        failed.step([0.0, *shown], range(len(shown) + 1), where="post", color=COLOURS[way])
    _finish(at_once, title, "documents at once")
    failed.set_ylabel("shown failed")
    failed.set_xlabel("minutes")
    _save(figure, path)


def plot_growth(
    path: Path, title: str, curves: Mapping[str, Sequence[tuple[int, float]]], unit: str
) -> None:
    """Cost against size, both logarithmic: a slope of one is linear."""
    figure = Figure(figsize=(8, 3.6), layout="constrained")
    axes = figure.subplots()
    for what, points in curves.items():
        axes.loglog(*zip(*points, strict=True), marker="o", ms=3, label=what.replace("`", ""))
    axes.set_title(title, loc="left")
    axes.set_xlabel("size")
    axes.set_ylabel(unit)
    axes.grid(alpha=0.2)
    axes.legend(frameon=False, fontsize=8)
    _save(figure, path)


def _finish(axes: Axes, title: str, label: str) -> None:
    axes.set_title(title, loc="left")
    axes.set_ylabel(label)
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, ncols=4)


def _save(figure: Figure, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None, "Creator": None})


def replace_block(page: Path, text: str) -> None:
    """Put generated text between the marks of a page."""
    before, _, rest = page.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")
