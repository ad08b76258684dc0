"""What Prometheus hears of backups: a file of figures in a volume that the node exporter reads (pure)."""

from __future__ import annotations

FILE = "backup.prom"
LAST = "slm_backup_last_success_timestamp_seconds"
SIZE = "slm_backup_size_bytes"


def figures(made: float, size: int) -> str:
    """The file after a backup that was whole at `made` (seconds since 1970) and has `size` bytes."""
    return (
        f"# HELP {LAST} When the last backup that could be read again was made.\n"
        f"# TYPE {LAST} gauge\n"
        f"{LAST} {made:.0f}\n"
        f"# HELP {SIZE} Its size.\n"
        f"# TYPE {SIZE} gauge\n"
        f"{SIZE} {size}\n"
    )
