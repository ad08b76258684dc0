"""A folder of weights in the volume: many files, each fetched, verified and put in its place on its own."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import threading
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

from slm_fetch.listing import Offer
from slm_fetch.plan import Plan, SourceFailed, Wanted
from slm_fetch.report import Report, Together
from slm_fetch.retry import Cancelled
from slm_fetch.volume import Volume, untouched


class Folder(Volume):
    """The volume of the layout "folder". Files lie under their own paths; the record is written when all are there."""

    def __init__(self, plan: Plan, report: Report) -> None:
        super().__init__(plan, report)
        self.record = self.fetched / "folder.json"
        self._journal = self.fetched / "verified.json"
        self._parts = self.fetched / "parts"
        self._lock = threading.Lock()

    def present(self) -> dict[str, Any] | None:
        """The record of a folder whose files were verified and have not been touched since, or None."""
        record = self.read(self.record)
        files = record.get("files")
        if not isinstance(files, dict) or not files:
            return None
        if any(not untouched(entry, self.plan.directory / path) for path, entry in files.items()):
            return None
        pins = {file.path: file.sha256 for file in self.plan.files}
        if pins and (set(pins) != set(files) or any(pins[p] not in (None, files[p]["sha256"]) for p in pins)):
            return None
        return record

    def parts(self) -> list[Path]:
        """The partial files that there are."""
        return [*self._parts.glob("*.part")]

    def bring(self, offer: Offer, source: str, stop: threading.Event) -> dict[str, Any]:
        """Fetch, verify and place what is missing, then record the folder.

        Raises NoSpace, and SourceFailed also for a checkpoint that is quantised otherwise than it is described.
        """
        verified = self.read(self._journal) | (self.read(self.record).get("files") or {})
        kept = {file.path: entry for file in offer.files if (entry := self._kept(file, verified.get(file.path)))}
        missing = sorted((f for f in offer.files if f.path not in kept), key=lambda f: f.size or 0)
        total = sum(file.size or 0 for file in offer.files)
        there = sum(file.size or 0 for file in offer.files if file.path in kept)
        parts = [self._part(file) for file in missing]
        self.check_space(total, there + sum(part.stat().st_size for part in parts if part.exists()))
        together = Together(self.report, total, len(offer.files))
        for path, entry in kept.items():
            together.finished(path, entry["bytes"])
        # Before any file is replaced: an old record must not vouch for a half-new folder.
        self.record.unlink(missing_ok=True)

        def bring(file: Wanted) -> None:
            part = self._part(file)
            part.parent.mkdir(parents=True, exist_ok=True)
            offer.fetch(file, part, together.of(file.path))
            entry = self._placed(part, file, source)
            with self._lock:
                kept[file.path] = entry
                self.write(self._journal, json.dumps(verified | kept))
            together.finished(file.path, entry["bytes"])

        self._all(missing, bring, stop)
        if self.plan.format == "safetensors":
            check_quantization(self.plan.directory, self.plan.quantization)
        return self._recorded(offer, kept, source, leftovers=set(verified) - set(kept))

    def _all(self, missing: list[Wanted], bring: Any, stop: threading.Event) -> None:
        """Bring all files, some at a time; the first failure ends the others and is raised."""
        pool = ThreadPoolExecutor(max_workers=self.plan.streams)
        try:
            tasks = [pool.submit(bring, file) for file in missing]
            done, _ = wait(tasks, return_when=FIRST_EXCEPTION)
            errors = [error for task in done if (error := task.exception())]
            if errors:
                stop.set()
                pool.shutdown(cancel_futures=True)
                raise next((error for error in errors if not isinstance(error, Cancelled)), errors[0])
        finally:
            # A signal ends the program at once: what is still in flight must not hold it back.
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)

    def _kept(self, wanted: Wanted, known: Any) -> dict[str, Any] | None:
        """What is known of a file that is in its place already and is the wanted one, or None."""
        place = self.plan.directory / wanted.path
        entry: dict[str, Any] | None = known if isinstance(known, dict) and untouched(known, place) else None
        if entry and wanted.sha256:
            return entry if entry["sha256"] == wanted.sha256 else None
        if entry and (wanted.git_oid or wanted.md5):
            return entry if (wanted.git_oid, wanted.md5) == (entry.get("git_oid"), entry.get("md5")) else None
        if entry and entry["bytes"] == wanted.size and entry["source"] != "path":
            # Nothing is known of its content, but until there are pins a volume belongs to one version of one source.
            return entry
        if wanted.sha256 and place.is_file() and place.stat().st_size == wanted.size:
            # Complete, but its entry is missing: a run was killed between the two.
            try:
                return self._entry(place, wanted, self.verify(place, wanted), "volume")
            except SourceFailed as reason:
                self.report.event("source-failed", source="volume", message=str(reason))
        return None

    def _placed(self, part: Path, wanted: Wanted, source: str) -> dict[str, Any]:
        actual = self.verify(part, wanted)
        place = self.plan.directory / wanted.path
        place.parent.mkdir(parents=True, exist_ok=True)
        os.replace(part, place)
        place.chmod(0o444)
        return self._entry(place, wanted, actual, source)

    def _entry(self, place: Path, wanted: Wanted, sha256: str, source: str) -> dict[str, Any]:
        stat = place.stat()
        entry = {"sha256": sha256, "bytes": stat.st_size, "mtime_ns": stat.st_mtime_ns, "source": source}
        return entry | {k: v for k, v in (("git_oid", wanted.git_oid), ("md5", wanted.md5)) if v}

    def _part(self, wanted: Wanted) -> Path:
        """A partial file's place. What is expected is part of its name: other bytes must not be put behind it."""
        expected = wanted.sha256 or wanted.git_oid or wanted.md5 or f"{wanted.size}"
        name = hashlib.sha256(f"{wanted.path}\0{expected}".encode()).hexdigest()[:24]
        return self._parts / f"{name}.part"

    def _recorded(
        self, offer: Offer, files: dict[str, dict[str, Any]], source: str, leftovers: set[str]
    ) -> dict[str, Any]:
        for path in leftovers:
            # Only files this program put there: those of an earlier revision would be served along with the new ones.
            (self.plan.directory / path).unlink(missing_ok=True)
        ordered = {path: files[path] for path in sorted(files)}
        record = {
            "sha256": digest_of({path: entry["sha256"] for path, entry in ordered.items()}),
            "bytes": sum(entry["bytes"] for entry in ordered.values()),
            "source": source,
            "revision": offer.revision,
            "files": ordered,
            "skipped": offer.skipped,
        }
        self.write(self.record, json.dumps(record, indent=1))
        self._journal.unlink(missing_ok=True)
        shutil.rmtree(self._parts, ignore_errors=True)
        shutil.rmtree(self.fetched / "incoming", ignore_errors=True)
        self.clean()
        return record


def check_quantization(folder: Path, described: str | None) -> None:
    """Raise SourceFailed unless the checkpoint's own configuration agrees with how it is described.

    An engine takes the method from the checkpoint and stops at its start, on a GPU that is already paid for, when it
    was asked for another one. A folder without a config.json (Mistral's own form) says nothing of it.
    """
    place = folder / "config.json"
    try:
        config = json.loads(place.read_text()) if place.exists() else {}
    except ValueError:
        raise SourceFailed("its config.json is not JSON, so no engine can load it") from None
    # Checkpoints of compressed-tensors before its version 0.5 have the second key.
    declared = config.get("quantization_config") or config.get("compression_config") or {}
    found = str(declared.get("quant_method") or "none").replace("_", "-")
    expected = (described or "none").replace("_", "-")
    if found != expected:
        fix = (
            f"set quantization of these weights to {found}"
            if found != "none"
            else "remove quantization of these weights"
        )
        raise SourceFailed(f"its config.json says quantisation {found}, the model's description {expected}: {fix}")


def digest_of(files: dict[str, str]) -> str:
    """One sha256 for a folder: that of the lines `sha256sum` prints for its files, in the order of their paths."""
    lines = "".join(f"{files[path]}  {path}\n" for path in sorted(files))
    return hashlib.sha256(lines.encode()).hexdigest()
