"""Compiled loops of the CPU path: cell codes, the first convolution as a table, gathers, V-trace, first visits.

Each does nothing that a few lines of the plain path (networks, tests/plain) do not do; they are here for speed alone.
"""

from __future__ import annotations

import numpy as np

from amigo.envs.codes import COLOURS, STATES
from amigo.envs.compiled import compiled

FNV_OFFSET, FNV_PRIME = np.uint64(14695981039346656037), np.uint64(1099511628211)


@compiled
def cell_codes(frames: np.ndarray, codes: np.ndarray) -> None:
    """codes[n, y * W + x] = (object * COLOURS + colour) * STATES + state of frames (N, W, H, 3) at [x][y]."""
    count, width, height, _ = frames.shape
    for n in range(count):
        for x in range(width):
            for y in range(height):
                cell = frames[n, x, y]
                codes[n, y * width + x] = (cell[0] * COLOURS + cell[1]) * STATES + cell[2]


@compiled
def table_forward(
    codes: np.ndarray,
    neighbours: np.ndarray,
    table: np.ndarray,
    bias: np.ndarray,
    goal_weights: np.ndarray,
    goal_cells: np.ndarray,
    out: np.ndarray,
) -> None:
    """out (N, P, C): bias, plus table[tap, code] of each of the nine neighbours, plus goal_weights[tap] at the goal.

    codes (N, cells), neighbours (P, 9) with -1 outside the grid, table (9, CELL_CODES, C), goal_weights (9, C),
    goal_cells (N,) with -1 where there is no goal channel.
    """
    positions, taps = neighbours.shape
    channels = bias.shape[0]
    for n in range(codes.shape[0]):
        goal = goal_cells[n]
        for p in range(positions):
            row = out[n, p]
            for c in range(channels):
                row[c] = bias[c]
            for k in range(taps):
                cell = neighbours[p, k]
                if cell < 0:
                    continue
                weights = table[k, codes[n, cell]]
                for c in range(channels):
                    row[c] += weights[c]
                if cell == goal:
                    for c in range(channels):
                        row[c] += goal_weights[k, c]


@compiled
def look_up(
    frames: np.ndarray,
    goals: np.ndarray,
    with_goal: bool,
    neighbours: np.ndarray,
    table: np.ndarray,
    bias: np.ndarray,
    goal_weights: np.ndarray,
    codes: np.ndarray,
    out: np.ndarray,
) -> None:
    """`cell_codes` and `table_forward`; goals (N,) are g = x * H + y, of no effect without `with_goal`."""
    cell_codes(frames, codes)
    width, height = frames.shape[1], frames.shape[2]
    cells = np.empty(len(frames), np.int64)
    for n in range(len(frames)):
        cells[n] = goals[n] % height * width + goals[n] // height if with_goal else -1
    table_forward(codes, neighbours, table, bias, goal_weights, cells, out)


@compiled
def student_inputs(
    features: np.ndarray,
    objects: np.ndarray,
    colours: np.ndarray,
    object_table: np.ndarray,
    colour_table: np.ndarray,
    out: np.ndarray,
) -> None:
    """out (N, C * P + 8): features (N, P, C), channels first, then the carried object's and colour's embeddings."""
    count, positions, channels = features.shape
    for n in range(count):
        row = out[n]
        for c in range(channels):
            for p in range(positions):
                row[c * positions + p] = features[n, p, c]
        start = channels * positions
        for c in range(object_table.shape[1]):
            row[start + c] = object_table[objects[n], c]
        start += object_table.shape[1]
        for c in range(colour_table.shape[1]):
            row[start + c] = colour_table[colours[n], c]


@compiled
def draw(cumulative: np.ndarray, uniforms: np.ndarray, drawn: np.ndarray) -> None:
    """drawn (N,): how many of cumulative (N, A) are at most uniforms (N,) times the last, at most A - 1."""
    for n in range(len(cumulative)):
        limit, count = uniforms[n] * cumulative[n, -1], 0
        for value in cumulative[n]:
            count += value <= limit
        drawn[n] = min(count, cumulative.shape[1] - 1)


@compiled
def table_backward(
    codes: np.ndarray,
    neighbours: np.ndarray,
    goal_cells: np.ndarray,
    d_out: np.ndarray,
    d_table: np.ndarray,
    d_goal_weights: np.ndarray,
) -> None:
    """Adds to d_table and d_goal_weights what `table_forward` makes of d_out (N, P, C)."""
    positions, taps = neighbours.shape
    channels = d_out.shape[2]
    for n in range(codes.shape[0]):
        goal = goal_cells[n]
        for p in range(positions):
            row = d_out[n, p]
            for k in range(taps):
                cell = neighbours[p, k]
                if cell < 0:
                    continue
                weights = d_table[k, codes[n, cell]]
                for c in range(channels):
                    weights[c] += row[c]
                if cell == goal:
                    for c in range(channels):
                        d_goal_weights[k, c] += row[c]


@compiled
def gather(cells: np.ndarray, neighbours: np.ndarray, columns: np.ndarray) -> None:
    """columns (N, P, K, C) = cells (N, cells, C) at neighbours (P, K); zero where that is -1."""
    positions, taps = neighbours.shape
    channels = cells.shape[2]
    for n in range(cells.shape[0]):
        for p in range(positions):
            for k in range(taps):
                cell = neighbours[p, k]
                target = columns[n, p, k]
                if cell < 0:
                    for c in range(channels):
                        target[c] = 0.0
                else:
                    source = cells[n, cell]
                    for c in range(channels):
                        target[c] = source[c]


@compiled
def scatter(d_columns: np.ndarray, neighbours: np.ndarray, d_cells: np.ndarray) -> None:
    """The transpose of `gather`: adds d_columns (N, P, K, C) to d_cells (N, cells, C)."""
    positions, taps = neighbours.shape
    channels = d_cells.shape[2]
    for n in range(d_cells.shape[0]):
        for p in range(positions):
            for k in range(taps):
                cell = neighbours[p, k]
                if cell >= 0:
                    target = d_cells[n, cell]
                    source = d_columns[n, p, k]
                    for c in range(channels):
                        target[c] += source[c]


@compiled
def vtrace_recursion(deltas: np.ndarray, factors: np.ndarray, corrections: np.ndarray) -> None:
    """corrections[t] = deltas[t] + factors[t] * corrections[t + 1], from the end of (T, B)."""
    steps, batch = deltas.shape
    for b in range(batch):
        following = np.float32(0.0)
        for t in range(steps - 1, -1, -1):
            following = deltas[t, b] + factors[t, b] * following
            corrections[t, b] = following


@compiled
def first_visits(frames: np.ndarray, done: np.ndarray, old_episode: bool, seen: np.ndarray, first: np.ndarray) -> None:
    """first[e] = 1 where environment e has not shown this frame in this episode yet; `seen` remembers.

    frames (E, bytes) uint8; seen (E, 2 ** k) uint64 is a hash table a row, 0 for free. A 64-bit hash stands for a
    frame. `old_episode`: the first frame of a new episode is counted in the old one's table, which is then emptied.
    """
    slots = np.uint64(seen.shape[1] - 1)
    for e in range(frames.shape[0]):
        if done[e] and not old_episode:
            seen[e, :] = 0
        key = FNV_OFFSET
        for byte in frames[e]:
            key = (key ^ np.uint64(byte)) * FNV_PRIME
        key |= np.uint64(1)
        slot = (key >> np.uint64(20)) & slots
        while seen[e, slot] != 0 and seen[e, slot] != key:
            slot = (slot + np.uint64(1)) & slots
        first[e] = seen[e, slot] != key
        seen[e, slot] = key
        if done[e] and old_episode:
            seen[e, :] = 0
