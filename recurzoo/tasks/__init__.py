"""Tasks whose examples are generated: NumPy alone, no backend."""

from recurzoo.tasks.shortest_paths import PHASES, Grids, f1_scores, generate_grids

__all__ = ["PHASES", "Grids", "f1_scores", "generate_grids"]
