"""What a stack keeps, in a file and back."""

from __future__ import annotations

import typer

from ops.commands.shared import BackupFile, Stack, console

app = typer.Typer()


@app.command()
def backup(stack: Stack = "dev", file: BackupFile = None) -> None:
    """Save figures, logs, silences and what the web page keeps in one file."""
    from ops.backup.command import backup as run

    run(stack, file, console)


@app.command()
def restore(stack: Stack = "dev", file: BackupFile = None) -> None:
    """Put a backup in place of what the stack keeps; the newest one without a file."""
    from ops.backup.command import restore as run

    run(stack, file, console)


@app.command("backup-webui")
def backup_webui(stack: Stack = "dev", file: BackupFile = None) -> None:
    """Save the web page's accounts, chats and files while it runs."""
    from ops.webui_backup import backup

    backup(stack, file, console)


@app.command("restore-webui")
def restore_webui(stack: Stack = "dev", file: BackupFile = None) -> None:
    """Put a backup in place of what the web page keeps; the newest one without a file."""
    from ops.webui_backup import restore

    restore(stack, file, console)
